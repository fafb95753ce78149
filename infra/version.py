"""The version of the package, read from CHANGELOG.md so that it is written in one place only.

Used by the build (`[tool.setuptools.dynamic]` in pyproject.toml). Running code asks
`importlib.metadata.version("dermatrail")` instead: an installed package has no changelog beside it.
"""

import re
from pathlib import Path

CHANGELOG = Path(__file__).resolve().parent.parent / "CHANGELOG.md"
RELEASE = re.compile(r"^## \[(\d+\.\d+\.\d+)\]", re.MULTILINE)


def newest_release(changelog: str) -> str:
    """The version of the first release heading, for example "0.1.0"; ValueError when there is none."""
    found = RELEASE.search(changelog)
    if found is None:
        raise ValueError("CHANGELOG.md has no release heading of the form '## [1.2.3] - 2026-01-31'")
    return found.group(1)


def __getattr__(name: str) -> str:
    if name == "VERSION":
        return newest_release(CHANGELOG.read_text(encoding="utf-8"))
    raise AttributeError(name)
