"""`python -m infra.frontend`: npm's libraries into .local/frontend, and the few files that pages load into static/vendor/."""

import gzip
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from infra.frontend import npm
from infra.frontend.npm import FrontendError

ROOT = Path(__file__).resolve().parents[2]
RECIPE = ROOT / "infra" / "frontend"
WORK = ROOT / ".local" / "frontend"
VENDOR = ROOT / "services" / "review" / "static" / "vendor"
STAMP = ".ready"  # Makefile compares it with the lock file


@dataclass(frozen=True, slots=True)
class Library:
    """A package of npm: what of it pages load (file in the package → name in static/vendor/), and its licence text."""

    package: str
    files: tuple[tuple[str, str], ...]
    licence: str


LIBRARIES = (
    Library("openseadragon", (("build/openseadragon/openseadragon.min.js", "openseadragon.min.js"),), "LICENSE.txt"),
    Library("uplot", (("dist/uPlot.iife.min.js", "uplot.min.js"), ("dist/uPlot.min.css", "uplot.min.css")), "LICENSE"),
)


def install(*, work: Path = WORK, vendor: Path = VENDOR) -> list[Path]:
    """Installs what the lock file says in `work` and copies what pages need to `vendor`; returns the files there.

    Raises:
        FrontendError: npm is missing, failed, or brought a package without an expected file.
    """
    work.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(RECIPE / name, work / name)
    npm.install(work)
    return copy(work / "node_modules", vendor)


def copy(modules: Path, vendor: Path) -> list[Path]:
    """Copies each library's files and licence text from `modules`, and writes a gzip of each file beside it."""
    vendor.mkdir(parents=True, exist_ok=True)
    copied = []
    for library in LIBRARIES:
        pairs = (*library.files, (library.licence, f"{library.package}.LICENSE.txt"))
        copied += [_copy(modules / library.package / source, vendor / name) for source, name in pairs]
    for file in copied:
        # No time in the header: the same library gives the same bytes.
        file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes(), mtime=0))
    (vendor / STAMP).touch()
    return copied


def _copy(source: Path, target: Path) -> Path:
    if not source.is_file():
        raise FrontendError(f"the package has no {source}: its layout changed: mend LIBRARIES in infra/frontend/__main__.py")
    shutil.copyfile(source, target)
    return target


def main() -> int:
    """Install and say what was done; 1 with the reason where it failed."""
    try:
        copied = install()
    except FrontendError as error:
        print(f"The browser libraries are not installed: {error}", file=sys.stderr)
        return 1
    print(f"browser libraries: {len(copied)} files in {VENDOR.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
