"""What a web process does with its memory once it has started."""

import gc


def settle() -> None:
    """Take everything that the start has made out of the garbage collector's sight, for good.

    A full collection otherwise walks some hundred thousand objects of libraries that never become garbage: a request that meets one
    waits for tenths of a second.
    """
    gc.collect()
    gc.freeze()
