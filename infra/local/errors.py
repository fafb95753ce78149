"""What can go wrong in the local stack; every message says what, where, and how to mend it."""


class LocalStackError(Exception):
    """The local stack cannot do what was asked."""


class StateFolderBusy(LocalStackError):
    """Another supervisor holds the state folder."""


class ServerMissing(LocalStackError):
    """The binaries of a server are not installed."""


class NotReady(LocalStackError):
    """A program did not answer its readiness probe in time, or stopped while starting."""
