"""``python -m infra.bench.identity``: measures what finds writing in pictures, writes docs/benchmarks-identity.md, ends with one line."""

import argparse
import os
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2

from infra.bench.identity_fit import MOST, fit, save
from infra.bench.identity_pictures import Part, Sample, device_samples, skin, written
from infra.bench.machine import ROOT, describe
from models.pictures.identity import JUDGE, Judge, find_text

WEIGHTS = ROOT / "models" / "pictures" / "identity_weights.json"
SIZES = ((6, 9), (9, 14), (14, 22), (22, 35))  # px of the capitals at working size


@dataclass(slots=True)
class Count:
    """How many pictures rang, of how many; names of those that went the wrong way; processor time of each, ms."""

    rang: int = 0
    all: int = 0
    wrong: list[str] = field(default_factory=list)
    spent: list[float] = field(default_factory=list)

    def add(self, sample: Sample, judge: Judge, *, expected: bool) -> None:
        begun = time.process_time()
        rang = bool(find_text(sample.picture, judge))
        self.spent.append((time.process_time() - begun) * 1_000)
        self.all += 1
        self.rang += rang
        if rang is not expected:
            self.wrong.append(sample.name)

    def __str__(self) -> str:
        return f"{self.rang} of {self.all} ({100 * self.rang / max(1, self.all):.1f} %)"


@dataclass(slots=True)
class Figures:
    """What was measured, by source, by height of the letters, and on the devices' samples."""

    alarms: dict[str, Count] = field(default_factory=lambda: defaultdict(Count))
    found: dict[str, Count] = field(default_factory=lambda: defaultdict(Count))
    sizes: dict[tuple[int, int], Count] = field(default_factory=lambda: defaultdict(Count))
    devices: Count = field(default_factory=Count)

    def total(self, counts: Iterable[Count]) -> Count:
        """All of them together."""
        whole = Count()
        for count in counts:
            whole.rang, whole.all = whole.rang + count.rang, whole.all + count.all
            whole.spent += count.spent
        return whole


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when everything was measured."""
    options = _options(arguments)
    if options.data is None:
        print("No pictures: set DERMATRAIL_DATA to a folder with ham10000, isic2018_task1, pad_ufes_20, uda1_originals, ood and dicom.")
        return 2
    cv2.setNumThreads(1)
    judge = JUDGE
    if options.fit:
        judge = fit(options.data, seed=options.seed)
        save(judge, WEIGHTS)
    figures = measure(options.data, Part(options.part), judge, most=options.most, seed=options.seed)
    text = page(figures, judge, Part(options.part))
    if options.out:
        options.out.write_text(text, encoding="utf-8")
    print(text)
    found, alarms = figures.total(figures.found.values()), figures.total(figures.alarms.values())
    print(f"identity: writing found in {found}, false alarms in {alarms}")
    return 0


def measure(data: Path, part: Part, judge: Judge, *, most: int, seed: int) -> Figures:
    """Every picture of the part as it is, and with writing drawn into it."""
    figures = Figures()
    plain = list(skin(data, part, most=most))
    for sample in plain:
        figures.alarms[sample.source].add(sample, judge, expected=False)
    for sample in written(plain, part, seed=seed + 1):
        figures.found[sample.source].add(sample, judge, expected=True)
        band = next((band for band in SIZES if band[0] <= sample.letters < band[1]), SIZES[-1])
        figures.sizes[band].add(sample, judge, expected=True)
    for sample in device_samples(data, part):
        figures.devices.add(sample, judge, expected=True)
    return figures


def page(figures: Figures, judge: Judge, part: Part) -> str:
    """The page for the documentation."""
    times = {kind: _times(figures.total(counts.values())) for kind, counts in (("plain", figures.alarms), ("written", figures.found))}
    lines = [
        "# Writing in pictures: how much is found, how often it rings for nothing",
        "",
        "`make bench-identity` (`DERMATRAIL_DATA=DIR`) printed this page.",
        f"Judgement `{judge.version}`, threshold {judge.threshold:.3f}, fitted with `python -m infra.bench.identity --fit`.",
        "",
        f"Part: **{part}**. The parts share no patient, no lesion, no typeface and no device sample; tuning saw development alone.",
        "Writing is drawn in 6 to 34 px capitals (long side of the picture ≤ 512 px), 1 to 3 lines of a name, date or number, in a colour",
        "60 grey levels or more from what is there, or 120 in red, green or blue, and saved as a JPEG of quality 70 to 96.",
        "",
        "| pictures | false alarms, as they are | found, with writing drawn in |",
        "|---|---|---|",
        *[f"| {source} | {figures.alarms[source]} | {figures.found[source]} |" for source in figures.alarms],
        f"| **all** | **{figures.total(figures.alarms.values())}** | **{figures.total(figures.found.values())}** |",
        "",
        "| height of the capitals at working size | found |",
        "|---|---|",
        *[f"| {low} to {high} px | {figures.sizes[low, high]} |" for low, high in SIZES],
        "",
        f"NEMA working group 4, burnt in by the device (whole pictures and halves): found in {figures.devices}.",
        *([f"Missed: {', '.join(figures.devices.wrong)}."] if figures.devices.wrong else []),
        "",
        f"Processor time of a picture on one core, as they are: {times['plain']}; with writing drawn in: {times['written']}.",
        "",
        "Pictures that ring as they are: "
        + "; ".join(f"{source.split(' (')[0]} {', '.join(count.wrong[:8])}" for source, count in figures.alarms.items() if count.wrong)
        + ".",
        "",
        "| what | value |",
        "|---|---|",
        *[f"| {what} | {value} |" for what, value in describe()],
        "",
    ]
    return "\n".join(lines)


def _times(count: Count) -> str:
    spent = sorted(count.spent)
    return f"median {spent[len(spent) // 2]:.1f} ms, 95 % within {spent[int(len(spent) * 0.95)]:.1f} ms"


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m infra.bench.identity", description="Measures what finds writing in pictures.")
    data = os.environ.get("DERMATRAIL_DATA")
    parser.add_argument("--data", type=Path, default=Path(data) if data else None, help="folder of the pictures (default: DERMATRAIL_DATA)")
    parser.add_argument("--part", choices=[part.value for part in Part], default=Part.HELD_OUT.value, help="whose figures (%(default)s)")
    parser.add_argument("--fit", action="store_true", help="fit the judgement on the development part first, and keep it")
    parser.add_argument("--most", type=int, default=MOST, help="real pictures of each source, at most (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of what is drawn (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "benchmarks-identity.md", help="the page to write (%(default)s)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
