"""``dermatrail analyse``: the analyzer over files, without any service."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from models.analyzer import Analyzer
from models.explain import HeatMaps
from models.finding import Finding, Outcome
from models.pictures.masks import decode_png, encode_png, enlarge

CHUNK = 32
console = Console(stderr=True)


@dataclass(frozen=True, slots=True)
class Models:
    """Which bundles answer, and where they run. ``bundles``: the folder that holds them, by default the shipped ones."""

    bundles: Path | None = None
    segmenter: str = "segmenter"
    classifier: str = "classifier"
    device: str = "auto"
    backend: str = "torch"
    heatmap: str = "cam"

    def load(self) -> Analyzer:
        """The analyzer. Raises BundleError."""
        return Analyzer.load(
            bundles=self.bundles,
            segmenter=self.segmenter,
            classifier=self.classifier,
            device=self.device,
            backend=self.backend,
            heatmaps=HeatMaps(self.heatmap),
        )


def analyse_files(*, files: Sequence[Path], out: Path, models: Models) -> int:
    """Writes ``findings.jsonl``, ``<stem>_mask.png`` and ``<stem>_heatmap.jpg`` per picture into ``out``.

    A heat map is at working size (long side ≤ 512 px), a mask has the picture's own. Returns how many could not be analysed.
    """
    out.mkdir(parents=True, exist_ok=True)
    analyzer = models.load()
    console.print(f"Decision support only. Licence of the classifier: {analyzer.licence}")
    names = stems(files)
    failed = 0
    partial = out / "findings.jsonl.partial"
    with partial.open("w") as lines, Progress(console=console) as progress:
        bar = progress.add_task("analysing", total=len(files))
        for chunk in _chunks(files):
            findings = analyzer.analyse([path.read_bytes() for path in chunk])
            for path, finding in zip(chunk, findings, strict=True):
                failed += finding.outcome is Outcome.FAILED
                lines.write(json.dumps(_written(path, finding, out, names[path])) + "\n")
                progress.advance(bar)
    partial.replace(out / "findings.jsonl")
    console.print(f"{len(files)} pictures, {len(files) - failed} analysed, {failed} failed: {out / 'findings.jsonl'}")
    return failed


def stems(files: Sequence[Path]) -> dict[Path, str]:
    """The stem of each file for what is written about it; files that share one keep their extension, and a number if they must."""
    shared = Counter(path.stem for path in files)
    names: dict[Path, str] = {}
    for path in files:
        base = path.stem if shared[path.stem] == 1 else path.name
        taken = sum(other.name == path.name for other in names)
        names[path] = f"{base}_{taken + 1}" if taken else base
    return names


def _written(path: Path, finding: Finding, out: Path, stem: str) -> dict[str, object]:
    line: dict[str, object] = {"file": str(path), **finding.as_json()}
    if finding.identity:
        line["identity"] = asdict(finding.identity)
    if finding.mask_png and finding.width and finding.height:
        line["mask"] = f"{stem}_mask.png"
        (out / f"{stem}_mask.png").write_bytes(encode_png(enlarge(decode_png(finding.mask_png), finding.width, finding.height)))
    if finding.heatmap_jpeg:
        line["heatmap"] = f"{stem}_heatmap.jpg"
        (out / f"{stem}_heatmap.jpg").write_bytes(finding.heatmap_jpeg)
    return line


def _chunks(files: Sequence[Path]) -> Iterator[Sequence[Path]]:
    for start in range(0, len(files), CHUNK):
        yield files[start : start + CHUNK]
