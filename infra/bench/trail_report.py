"""The figures of the trail as a page and as one line."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import numpy as np

from infra.bench.models_report import table
from infra.bench.trail_cost import Cost
from infra.bench.trail_growth import ALERTING, Growth
from infra.bench.trail_measure import Figures, Plan
from infra.bench.trail_pairs import OTHERS, SHORTLIST, Pair, Search
from infra.bench.trail_roc import Point, area_under, at_threshold, chosen
from infra.bench.trail_warps import Different, Warp

T = TypeVar("T")
SPECIFICITY = 0.95
STEPS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4)
ZOOMS = ((0.5, 0.71), (0.71, 1.0), (1.0, 1.41), (1.41, 2.0))
BINS = ((0.0, 0.0), (0.0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1.0))


def last_line(figures: Figures) -> str:
    """The line that programs read."""
    registered = 100 * np.mean([warp.success for warp in figures.warps])
    valid = 100 * np.mean([pair.valid for pair in figures.different])
    corner = 100 * _median_error(figures.warps)
    area = np.nanmean([growth.off for growth in figures.growths])
    cost = figures.cost.comparison
    found = f"registered {registered:.1f} %, false valid {valid:.2f} %, corner error {corner:.2f} %"
    return f"trail: {found}, area error {area:.1f} points, {cost:.0f} ms"


def page(figures: Figures, plan: Plan, *, command: str, machine: Sequence[tuple[str, str]]) -> str:
    """docs/benchmarks-trail.md."""
    sections = [
        _introduction(figures, plan, command),
        "## Pictures moved in a known way\n\n" + _warps(figures.warps),
        "## Different lesions\n\n" + _different(figures.different),
        *(["## Real pairs\n\n" + _pairs(figures)] if figures.searched else []),
        "## Change of area\n\n" + _growths(figures.growths) + "\n\n" + _unscaled(figures.growths),
        "## Alerts\n\n" + _alerts(figures),
        "## Cost\n\n" + _cost(figures.cost),
        "## Machine\n\n" + table(("what", "value"), machine),
    ]
    return "\n\n".join(sections) + f"\n\n`{last_line(figures)}`\n"


def _introduction(figures: Figures, plan: Plan, command: str) -> str:
    sources = ", ".join(f"{count} of {name}" for name, count in sorted(Counter(warp.source for warp in figures.warps).items()))
    without = "" if plan.data else "\n\nDERMATRAIL_DATA was not set: these are figures of drawn lesions alone."
    return f"""# Benchmarks of the trail

Written by `{command}`;
run it again to replace this page with its figures. Seed {plan.seed}. Every figure is of the {plan.part} part of the split that the shipped
models were trained with, which keeps a lesion on one side; thresholds are chosen on the other part, but for
an early round of 100 pairs that set errors of measures and thresholds of alerts on lesions of all parts. Pictures that are moved:
{sources}. Outlines are the shipped segmenter's, never the data sets'.{without}"""


def _warps(warps: Sequence[Warp]) -> str:
    groups: list[tuple[str, list[Warp]]] = [("all", list(warps))]
    groups += [(source, of) for source, of in _by(warps, lambda warp: warp.source)]
    groups += [(f"zoom {low:g} to {high:g}", [warp for warp in warps if low <= warp.imaging.zoom < high]) for low, high in ZOOMS]
    groups += [
        (f"{low} to {high} hairs", [warp for warp in warps if low <= warp.imaging.hair <= high]) for low, high in ((0, 4), (5, 8), (9, 12))
    ]
    rows = [(name, *_warp_cells(group)) for name, group in groups if group]
    heads = ("pictures", "pairs", "registered to 2 % of the diagonal", "registered", "median corner error", "95 % of errors under")
    found = [warp for warp in warps if warp.error is not None]
    within = np.mean([(warp.error or 0) <= 2 * warp.expected for warp in found])
    drift = np.median(np.abs([warp.drift for warp in found])) / 0.6745
    ways = ", ".join(f"{name} {count}" for name, count in Counter(warp.way for warp in warps).most_common())
    return f"""Each picture beside itself after any turn, a zoom of 0.5 to 2, a shift of up to 8 %, light of 75 to 125 % with its own
colour, slope and gamma, up to 12 hairs, noise and JPEG. A pair that is not registered counts as an infinite error.

{table(heads, rows)}

Way, or reason for none: {ways}. Of the registered, {within:.1%} lie within twice the corner error that the registration itself
states; the scale's error is {drift:.2f} times what it states (1: stated rightly; from the median)."""


def _warp_cells(warps: Sequence[Warp]) -> tuple[str, ...]:
    errors = np.array([np.inf if warp.error is None else warp.error for warp in warps])
    shown = np.sort(errors)[int(np.ceil(0.95 * len(errors))) - 1]
    success, registered = np.mean([warp.success for warp in warps]), np.isfinite(errors).mean()
    return (
        str(len(warps)),
        f"{success:.1%}",
        f"{registered:.1%}",
        f"{_median_error(warps):.2%}",
        f"{shown:.2%}" if np.isfinite(shown) else "–",
    )


def _median_error(warps: Sequence[Warp]) -> float:
    return float(np.median([np.inf if warp.error is None else warp.error for warp in warps]))


def _different(pairs: Sequence[Different]) -> str:
    rows = [("all", str(len(pairs)), *_false_cells(pairs))]
    rows += [(source, str(len(of)), *_false_cells(of)) for source, of in _by(pairs, lambda pair: pair.source)]
    ways = Counter(pair.way for pair in pairs)
    text = ", ".join(f"{name} {count}" for name, count in ways.most_common())
    return f"""Each moved picture beside up to three pictures of other lesions: how many pass for the same.

{table(("pictures", "pairs", "valid", "share", "95 % interval up to"), rows)}

Way, or reason for none: {text}."""


def _false_cells(pairs: Sequence[Different]) -> tuple[str, ...]:
    valid, count = sum(pair.valid for pair in pairs), len(pairs)
    return str(valid), f"{valid / count:.2%}", f"{_highest(valid, count):.2%}"


def _highest(hits: int, count: int) -> float:
    """Upper end of Wilson's 95 % interval."""
    share, z = hits / count, 1.96
    middle = share + z * z / (2 * count)
    return float((middle + z * np.sqrt(share * (1 - share) / count + z * z / (4 * count * count))) / (1 + z * z / count))


def _pairs(figures: Figures) -> str:
    parts = (("this page's part", figures.searched), ("the other part", figures.pairs))
    rows = [(name, str(len(pairs)), *_pair_cells(pairs)) for name, pairs in parts if pairs]
    heads = ("lesions with several pictures", "pairs", "registered", "features", "outline", "intensity")
    searches = figures.searches
    found = [(text, f"{np.mean([of(search) for search in searches]):.1%}") for text, of in SEARCHES]
    wrong = sum(search.false_valid for search in searches)
    count = min(OTHERS, len(figures.searched) - 1) * len(searches)
    return f"""Two pictures of one lesion of HAM10000, often at another magnification or turn; their true place is not known.

{table(heads, rows)}

A lesion's second picture sought among the first pictures of itself and of {OTHERS} other lesions ({len(searches)} searches):

{table(("found first by", "share"), found)}

Of the {count} pairs of different lesions among them, {wrong} ({wrong / max(1, count):.2%}) could be laid over each other.
How likeness is weighed against geometry was fitted on lesions of the classifier's validation part, which the rows of the test part
do not have."""


SEARCHES: tuple[tuple[str, Callable[[Search], bool]], ...] = (
    ("likeness alone (cosine of the classifier's features)", lambda search: search.by_embedding),
    ("geometry alone", lambda search: search.by_geometry),
    ("both, every candidate registered", lambda search: search.by_both),
    (f"both, the {SHORTLIST} most alike registered (what is proposed to readers)", lambda search: search.by_both_shortlisted),
)


def _pair_cells(pairs: Sequence[Pair]) -> tuple[str, ...]:
    ways = Counter(pair.way for pair in pairs)
    shares = (np.mean([pair.registered for pair in pairs]), *(ways[name] / len(pairs) for name in ("features", "outline", "intensity")))
    return tuple(f"{share:.1%}" for share in shares)


def _unscaled(growths: Sequence[Growth]) -> str:
    loose = [growth.unscaled for growth in growths if growth.unscaled is not None]
    if not loose:
        return ""
    return f"""The same pictures as if no scale were known: the skin around the lesion is the yardstick, where it has structure enough.

{_growth_table(loose)}

{_within(loose):.1%} of the true figures lie within twice the stated error, which is wide where no skin tells the scale."""


def _growth_table(growths: Sequence[Growth]) -> str:
    rows = []
    for source, of in [("all", list(growths)), *_by(growths, lambda growth: growth.source)]:
        cells = [_off([growth for growth in of if low < growth.true <= high or growth.true == low == high]) for low, high in BINS]
        compared = np.mean([growth.measured is not None for growth in of])
        rows.append((source, str(len(of)), f"{compared:.1%}", _off(of), *cells))
    bins = [f"{low:.0%} to {high:.0%}" if high else "stable" for low, high in BINS]
    return table(("pictures", "lesions", "compared", "all", *bins), rows)


def _within(growths: Sequence[Growth]) -> float:
    compared = [growth for growth in growths if growth.measured is not None]
    return float(np.mean([abs((growth.measured or 0) - growth.true) <= 2 * growth.error for growth in compared])) if compared else 0.0


def _growths(growths: Sequence[Growth]) -> str:
    return f"""A lesion grows by a known share of its area, to one side more or less, and is photographed again (any turn, zoom 0.8 to 1.25,
other light, hair); the scale of both pictures is known. Points between measured and true growth, mean / median.

{_growth_table(growths)}

{_within(growths):.1%} of the true figures lie within twice the stated error. Lesions that leave the picture, cover more than 22 % or less
than 1 % of it are left out. Real lesions grow from their outline on file, which what measures is not shown."""


def _off(growths: Sequence[Growth]) -> str:
    off = [growth.off for growth in growths if growth.measured is not None]
    return f"{np.mean(off):.1f} / {np.median(off):.1f}" if off else "–"


def _alerts(figures: Figures) -> str:
    threshold = chosen(figures.chosen_on or figures.growths, specificity=SPECIFICITY)
    parts = [("development part", figures.chosen_on), ("this page's", figures.growths), *_by(figures.growths, lambda growth: growth.source)]
    rows = [(name, *_point_cells(at_threshold(of, threshold)), _number(area_under(of))) for name, of in parts if of]
    curve = [(f"{step:.0%}", *_point_cells(at_threshold(figures.growths, step))) for step in STEPS]
    rules = sorted({rule for growth in figures.growths for rule in growth.rules})
    heads = ("growing", "stable", "sensitivity", "specificity")
    return f"""True growth of {ALERTING:.0%} and more against stable lesions that were photographed again; smaller growth counts for
neither. The score is the measured growth; no comparison is no alert. The threshold that leaves {SPECIFICITY:.0%} of the stable
lesions of the development part alone is a measured growth of {threshold:.1%}:

{table(("lesions", *heads, "area under the curve"), rows)}

The curve on this page's lesions:

{table(("alert from a measured growth of", *heads), curve)}

What the product's rules do with them:

{table(("true growth", "lesions", "any rule", *rules), _rule_rows(figures.growths, rules))}"""


def _rule_rows(growths: Sequence[Growth], rules: Sequence[str]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for low, high in ((0.0, 0.0), (0.0, ALERTING), (ALERTING, 0.3), (0.3, 0.5), (0.5, 1.0)):
        of = [growth for growth in growths if low < growth.true <= high or growth.true == low == high]
        if of:
            name = f"{low:.0%} to {high:.0%}" if high else "stable"
            each = [f"{np.mean([rule in growth.rules for growth in of]):.1%}" for rule in rules]
            rows.append((name, str(len(of)), f"{np.mean([bool(growth.rules) for growth in of]):.1%}", *each))
    return rows


def _point_cells(point: Point) -> tuple[str, ...]:
    shares = (f"{share:.1%}" if np.isfinite(share) else "–" for share in (point.sensitivity, point.specificity))
    return str(point.growing), str(point.stable), *shares


def _number(value: float) -> str:
    return f"{value:.3f}" if np.isfinite(value) else "–"


def _cost(cost: Cost) -> str:
    rows = [
        ("a look at one picture", cost.look),
        ("registration of two looks", cost.registration),
        ("refusal of two looks of different lesions (all three ways tried)", cost.refusal),
        ("change between two measured visits, registration included", cost.change),
        ("**comparison: two looks and the change**", cost.comparison),
        ("measures of one picture, with the uncertainty of its outline (once a picture, not once a comparison)", cost.measures),
        ("bare: the outline of one picture by the shipped segmenter", cost.bare),
    ]
    return f"""Milliseconds of processor time on one thread, 1024×768 px, medians; the limit of a comparison is 400 ms. It costs as much as
{cost.comparison / cost.bare:.1f} bare outlines.

{table(("what", "ms"), [(name, f"{value:.0f}") for name, value in rows])}"""


def _by(rows: Iterable[T], key: Callable[[T], str]) -> list[tuple[str, list[T]]]:
    groups: dict[str, list[T]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return sorted(groups.items())
