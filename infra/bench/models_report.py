"""The figures of the networks as a page and as one line."""

from collections.abc import Sequence
from dataclasses import dataclass

from infra.bench.models_card import CardRow
from infra.bench.models_measure import MOBILENET_SHARE, REFERENCE_PEAK, Pair, Peaks, Rate, Row, peak_of

COLUMNS = ("torch-cpu-fp32", "torch-cpu-bf16", "openvino-cpu-fp32", "openvino-cpu-bf16")


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything that was measured. ``pairs``: fastest first. ``cards``: empty without a card."""

    cores: int
    peaks: Peaks
    rows: Sequence[Row]
    pairs: Sequence[Pair]
    cards: Sequence[CardRow] = ()


def share(row: Row, name: str, peaks: Peaks) -> float:
    """Share of the GEMM peak of the backend's precision that the network reaches."""
    return row.rates[name].images_per_second * row.work.total / peak_of(peaks, name.rpartition("-")[2])


def reference_share(row: Row) -> float:
    """The share that the reference reached of its own peak."""
    return row.subject.reference * row.work.total / REFERENCE_PEAK


def pair_limits(pair: Pair, peaks: Peaks) -> tuple[float, float]:
    """Images a second at the GEMM peak, and with MobileNetV2's part at the pace that it is known to reach."""
    at_peak = sum(work.total / peak_of(peaks, precision) for precision, work in pair.works)
    known = sum(work.seconds(peak_of(peaks, precision)) for precision, work in pair.works)
    return 1 / at_peak, 1 / known


def last_line(figures: Figures) -> str:
    """The line that programs read."""
    best = figures.pairs[0]
    at_peak, known = (best.rate.images_per_second / limit for limit in pair_limits(best, figures.peaks))
    rate = best.rate.images_per_second
    return f"bench-models: default pair {rate:.1f} img/s on {best.runtime}, {known:.2f} of the limit ({at_peak:.2f} of the GEMM peak)"


def page(figures: Figures, *, command: str, machine: Sequence[tuple[str, str]]) -> str:
    """docs/benchmarks-models.md."""
    sections = [
        _introduction(command, figures.cores),
        "## The default pair\n\n" + _pairs(figures),
        "## Images a second, and the share of the GEMM peak\n\n" + _rates(figures),
        "## Processor milliseconds an image\n\n" + _processor(figures),
        "## GEMM peak, GFLOP/s\n\n" + _peaks(figures.peaks),
        *(["## On the card, batches of 64\n\n" + _cards(figures.cards)] if figures.cards else []),
        "## Machine\n\n" + table(("what", "value"), machine),
    ]
    return "\n\n".join(sections) + f"\n\n`{last_line(figures)}`\n"


def _introduction(command: str, cores: int) -> str:
    return f"""# Benchmarks of the networks

Written by `{command}`; run it again, on a machine that does nothing else, to replace this page with its figures.

Random pictures in batches of 8, {cores} of them side by side with one thread each, as the worker runs them; the best of three
rounds. The GEMM peak is what the better of torch and OpenVINO reaches in 2048³ matrix products, before and after, on the same
cores; over the GFLOP of one picture it limits every network whose work is matrix products. Depthwise convolutions are not:
MobileNetV2 reaches {MOBILENET_SHARE:.0%} of the peak with OpenVINO in bfloat16 on two quiet Zen 4 cores ({REFERENCE_PEAK:.0f} GFLOP/s), and
that is taken for its limit. The last column has the other networks on those same cores, where a share above 1 says that a
convolution can be done with fewer multiplications than a product counts."""


def _pairs(figures: Figures) -> str:
    lines = []
    for pair in figures.pairs:
        at_peak, known = pair_limits(pair, figures.peaks)
        rate = pair.rate.images_per_second
        precisions = " + ".join(precision for precision, _ in pair.works)
        gflop = " + ".join(f"{work.total:.2f}" for _, work in pair.works)
        lines.append((pair.runtime, precisions, gflop, f"{rate:.1f}", f"{known:.1f}", f"{rate / known:.2f}", f"{rate / at_peak:.2f}"))
    headings = ("runtime", "outline + class", "GFLOP", "img/s", "limit, img/s", "of the limit", "of the GEMM peak")
    return table(headings, lines) + "\n\nThe limit takes MobileNetV2's part at its own pace, as said above."


def _rates(figures: Figures) -> str:
    lines = []
    for row in figures.rows:
        cells = [
            f"{row.rates[name].images_per_second:.1f} ({share(row, name, figures.peaks):.2f})" if name in row.rates else "–"
            for name in COLUMNS
        ]
        lines.append((_name(row), f"{row.work.total:.2f}", *cells, f"{row.subject.reference:.1f} ({reference_share(row):.2f})"))
    return table(("network", "GFLOP", *COLUMNS, "reference: OpenVINO bf16, Zen 4"), lines)


def _processor(figures: Figures) -> str:
    lines = [(_name(row), *(_ms(row.rates.get(name)) for name in COLUMNS)) for row in figures.rows]
    return table(("network", *COLUMNS), lines)


def _peaks(peaks: Peaks) -> str:
    precisions = list(dict.fromkeys(precision for _, precision in peaks))
    libraries = list(dict.fromkeys(library for library, _ in peaks))
    lines = [(library, *(f"{peaks[library, precision]:.0f}" for precision in precisions)) for library in libraries]
    return table(("library", *precisions), lines)


def _cards(cards: Sequence[CardRow]) -> str:
    lines = [(row.name, row.how, f"{row.images_per_second:.0f}", f"{row.busy:.0%}") for row in cards]
    return table(("network", "how", "img/s", "busy with kernels and copies"), lines)


def _name(row: Row) -> str:
    return f"{row.subject.name}, {row.subject.side} px"


def _ms(rate: Rate | None) -> str:
    return f"{rate.cpu_ms:.1f}" if rate else "–"


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
