"""The model card of a bundle (Mitchell et al. 2019, arXiv:1810.03993), as Markdown beside its weights.

Every figure comes from bundle.json.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

FILE = "README.md"
HEADLINES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "malignant_auroc": "AUROC of malignancy",
    "expected_calibration_error": "expected calibration error",
    "jaccard": "Jaccard",
    "thresholded_jaccard": "thresholded Jaccard (under 0.65 counts as 0)",
    "dice": "Dice",
    "share_under_0.65": "share of images under 0.65",
}
PROGRESS = {
    "auroc": "AUROC",
    "auroc_of_malignant_lesions": "AUROC among malignant lesions",
    "auroc_of_benign_lesions": "AUROC among benign lesions",
    "expected_calibration_error": "expected calibration error",
    "sensitivity_at_specificity_0.80": "sensitivity at specificity 0.80",
    "sensitivity_at_specificity_0.90": "sensitivity at specificity 0.90",
    "sensitivity_at_specificity_0.95": "sensitivity at specificity 0.95",
}


def write_card(folder: Path, card: Mapping[str, Any]) -> Path:
    """Writes README.md of the bundle in ``folder`` and returns its path."""
    path = folder / FILE
    path.write_text("\n".join(_lines(card)) + "\n", encoding="utf-8")
    return path


def _lines(card: Mapping[str, Any]) -> Iterator[str]:
    training = card["training"]
    yield f"# {card['name']}, {card['version']}"
    yield ""
    yield "Decision support for dermatologists. It does not diagnose, and no case leaves without a dermatologist's decision."
    yield ""
    yield from _facts(card)
    yield ""
    for part, figures in card["metrics"].items():
        if part in ("validation", "test"):
            yield from _figures(part, figures)
    yield from _strangers(card)
    yield "## Limits"
    yield ""
    yield from (f"* {limit}" for limit in card["limits"])
    if note := training.get("note"):
        yield f"* {note}"


def _facts(card: Mapping[str, Any]) -> Iterator[str]:
    training, recipe = card["training"], card["training"]["recipe"]
    shown = card["input"]
    filters = ", ".join(shown["steps"]) or "no filter"
    yield "| | |"
    yield "|---|---|"
    rows = {
        "Task": card["task"],
        "Classes": ", ".join(card["classes"]),
        "Network": card["architecture"],
        "Input": f"{shown['side']} px, {shown['crop'].replace('_', ' ')}, {filters}, {shown['normalisation']}",
        "Views averaged": card["views"],
        "Data": card["data"],
        "Images": ", ".join(f"{count} {part}" for part, count in training["images"].items()),
        "Licence": card["licence"],
        "Trained by": f"`{training['command']}`",
        "Revision": training["revision"],
        "Began from": ", ".join(training["start"]) or "random weights",
    }
    yield from (f"| {name} | {value} |" for name, value in rows.items())
    if published := recipe["published"]:
        yield f"| Published | {', '.join(f'{name} {value}' for name, value in published.items())} |"


def _figures(part: str, figures: Mapping[str, Any]) -> Iterator[str]:
    of = "series, each from one image" if figures.get("progressing") else "images"
    yield f"## Figures on the {part} part ({figures['images']} {of}, 95 % intervals by lesion)"
    yield ""
    yield "| figure | value | 95 % |"
    yield "|---|---|---|"
    for key, name in HEADLINES.items():
        if figures.get(key) is not None:
            yield f"| {name} | {figures[key]:.3f} | {_interval(figures.get(f'{key}_95'))} |"
    yield ""
    if point := (figures.get("malignant") or {}).get("operating_point"):
        yield (
            f"Operating point: malignant probability ≥ {point['malignant_probability']:.3f}, sensitivity {point['sensitivity']:.3f}, "
            f"specificity {point['specificity']:.3f}."
        )
        yield ""
    if progress := figures.get("progressing"):
        yield from _progress(progress, figures["last_visit_alone"])
    if sets := figures.get("conformal"):
        promised, size = f"{sets['target']:.2f} promised", f"{sets['mean_size']:.2f} classes on average"
        yield f"Prediction sets: {sets['coverage']:.3f} covered ({promised}), {size}."
        yield ""
    if recall := figures.get("recall"):
        yield "| class | images | precision | recall |"
        yield "|---|---|---|---|"
        for code in recall:
            values = (_share(figures["precision"].get(code)), _share(recall[code]))
            yield f"| {code} | {figures['count'].get(code, 0)} | {values[0]} | {values[1]} |"
        yield ""


def _progress(figures: Mapping[str, Any], alone: Mapping[str, Any]) -> Iterator[str]:
    """What a network that reads series says of progress, and of malignancy from the last visit alone."""
    yield f"AUROC of malignancy from the last visit alone: {_share(alone['malignant_auroc'])} ({_interval(alone['malignant_auroc_95'])})."
    yield ""
    yield (
        f"Progressing in truth: {figures['truly']} of {figures['series']} series ({_share(figures['truly_of_malignant'])} of malignant, "
        f"{_share(figures['truly_of_benign'])} of benign lesions)."
    )
    yield ""
    yield "| progressing against stable | value | 95 % |"
    yield "|---|---|---|"
    for key, name in PROGRESS.items():
        if figures.get(key) is not None:
            yield f"| {name} | {figures[key]:.3f} | {_interval(figures.get(f'{key}_95'))} |"
    point = figures["at_the_threshold"]
    for name in ("sensitivity", "specificity"):
        if point.get(name) is not None:
            yield f"| {name} from {point['probability']:.3f} on | {point[name]:.3f} | {_interval(point.get(f'{name}_95'))} |"
    called = figures["called_by_growth"]
    for band, share in called.items():
        if not band.endswith("_95"):
            yield f"| called progressing, diameter grown by {band} | {_share(share)} | {_interval(called[f'{band}_95'])} |"
    yield ""


def _strangers(card: Mapping[str, Any]) -> Iterator[str]:
    outside = card["metrics"].get("outside")
    if not outside:
        return
    inside = outside["inside"].get("refused")
    yield "## Strangers"
    yield ""
    yield f"Test lesions refused: {_share(inside)}. Nothing was fitted to the pictures below."
    yield ""
    yield "| pictures | images | AUROC | refused |"
    yield "|---|---|---|---|"
    for name, found in outside["outside"].items():
        yield f"| {name.replace('_', ' ')} | {found['images']} | {_share(found['auroc'])} | {_share(found.get('refused'))} |"
    yield ""


def _interval(values: Any) -> str:
    return f"{values[0]:.3f}–{values[1]:.3f}" if values else "–"


def _share(value: Any) -> str:
    return "–" if value is None else f"{value:.3f}"
