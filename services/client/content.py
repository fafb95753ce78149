"""Digests of files and cases: from them follow the idempotency keys, so that the same content is never two cases."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

CHUNK_BYTES = 1024 * 1024


def sha256_of(path: Path) -> str:
    """SHA-256 (hex) of a file, read a part at a time."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def key_of(case: Mapping[str, Any], files: Sequence[tuple[str, str]]) -> str:
    """The idempotency key of a case (as JSON) with files (name, SHA-256): the same for the same content, in every run."""
    said = json.dumps([case, [list(file) for file in files]], sort_keys=True, ensure_ascii=True)
    return f"sha256:{hashlib.sha256(said.encode()).hexdigest()}"


def parts_of(path: Path) -> Iterator[bytes]:
    """The file a part at a time."""
    with path.open("rb") as stream:
        while part := stream.read(CHUNK_BYTES):
            yield part
