"""``dermatrail analyse``: the analyzer over files, without any service."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from models.analyzer import Analyzer
from models.finding import Finding, Outcome
from models.pictures.masks import decode_png, encode_png, enlarge

CHUNK = 32
console = Console(stderr=True)


def analyse_files(*, files: Sequence[Path], out: Path, bundles: Path | None, device: str, backend: str) -> int:
    """Writes ``findings.jsonl`` and ``<stem>_mask.png`` per picture into ``out``. Returns how many could not be analysed."""
    out.mkdir(parents=True, exist_ok=True)
    analyzer = Analyzer.load(bundles=bundles, device=device, backend=backend)
    names = mask_names(files)
    failed = 0
    partial = out / "findings.jsonl.partial"
    with partial.open("w") as lines, Progress(console=console) as progress:
        bar = progress.add_task("analysing", total=len(files))
        for chunk in _chunks(files):
            findings = analyzer.analyse([path.read_bytes() for path in chunk])
            for path, finding in zip(chunk, findings, strict=True):
                failed += finding.outcome is Outcome.FAILED
                lines.write(json.dumps(_written(path, finding, out / names[path])) + "\n")
                progress.advance(bar)
    partial.replace(out / "findings.jsonl")
    console.print(f"{len(files)} pictures, {len(files) - failed} analysed, {failed} failed: {out / 'findings.jsonl'}")
    return failed


def mask_names(files: Sequence[Path]) -> dict[Path, str]:
    """``<stem>_mask.png`` for each file; files that share a stem keep their extension in it, and a number if they must."""
    stems = Counter(path.stem for path in files)
    names: dict[Path, str] = {}
    for path in files:
        base = path.stem if stems[path.stem] == 1 else path.name
        taken = sum(name.startswith(f"{base}_") for other, name in names.items() if other.name == path.name)
        names[path] = f"{base}_{taken + 1}_mask.png" if taken else f"{base}_mask.png"
    return names


def _written(path: Path, finding: Finding, mask: Path) -> dict[str, object]:
    line: dict[str, object] = {"file": str(path), **finding.as_json()}
    if finding.mask_png and finding.width and finding.height:
        mask.write_bytes(encode_png(enlarge(decode_png(finding.mask_png), finding.width, finding.height)))
        line["mask"] = mask.name
    return line


def _chunks(files: Sequence[Path]) -> Iterator[Sequence[Path]]:
    for start in range(0, len(files), CHUNK):
        yield files[start : start + CHUNK]
