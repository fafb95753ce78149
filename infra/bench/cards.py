"""Writes docs/models.md from the cards of bundles: the shipped ones, and those of the published systems trained on this machine."""

import argparse
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

SHIPPED = Path("models/bundles")
LOCAL = Path(".local/bundles")
PAGE = Path("docs/models.md")
COMMAND = ".venv/bin/python -m infra.bench.cards"
HEAD = """# Models

Written by `{command}` from the cards (`bundle.json`) of the bundles named here. Every figure was taken through the analyzer, on files,
by the command beside it; weights saw the training part, thresholds were fitted on the validation part, the test part judged.
Intervals are 95 %, by bootstrap over lesions. Published figures stand under their own protocol and are no comparison where it differs.

The crops of healthy skin were cut from pictures of ISIC 2018 Task 1 and PAD-UFES-20. The detector's training leaves those pictures out,
but the networks below it may have seen them: the figures on crops are not blind, those on photographs are.
"""
PARTS = {"validation": "validation", "test": "test", "test_ham10000": "test, HAM10000 alone"}
SYSTEMS = ("s0", "s1", "s1-attention", "s2", "s2-unet", "s3", "s4", "s4-by-lesion")
FIGURES = (
    ("accuracy", "accuracy"),
    ("balanced_accuracy", "balanced accuracy"),
    ("weighted.precision", "weighted precision"),
    ("weighted.f1", "weighted F1"),
    ("macro.f1", "macro F1"),
    ("auroc.MEL", "AUROC of melanoma"),
    ("malignant_auroc", "AUROC of malignancy"),
    ("expected_calibration_error", "expected calibration error"),
    ("malignant.operating_point.sensitivity", "malignant sensitivity at the operating point"),
    ("malignant.operating_point.specificity", "specificity there"),
    ("last_visit_alone.malignant_auroc", "AUROC of malignancy from the last visit alone"),
    ("progressing.auroc", "AUROC of progressing against stable"),
    ("progressing.auroc_of_malignant_lesions", "the same among malignant lesions"),
    ("progressing.auroc_of_benign_lesions", "the same among benign lesions"),
    ("progressing.expected_calibration_error", "expected calibration error of progressing"),
    ("progressing.sensitivity_at_specificity_0.90", "sensitivity for progress at specificity 0.90"),
    ("progressing.at_the_threshold.sensitivity", "sensitivity for progress at the shipped threshold"),
    ("progressing.at_the_threshold.specificity", "specificity there"),
    ("conformal.coverage", "coverage of the prediction sets"),
    ("conformal.mean_size", "classes in a prediction set"),
    ("refused", "lesions refused as strangers"),
    ("jaccard", "Jaccard"),
    ("thresholded_jaccard", "thresholded Jaccard"),
    ("share_under_0.65", "share of images under 0.65"),
    ("dice", "Dice"),
    ("pixels.sensitivity", "pixel sensitivity"),
    ("pixels.specificity", "pixel specificity"),
    ("pixels.precision", "pixel precision"),
    ("pixels.f1", "pixel F1"),
    ("pixels.global_accuracy", "pixel accuracy"),
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Writes the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--local", type=Path, default=LOCAL, help="folder with the bundles of the published systems")
    parser.add_argument("--page", type=Path, default=PAGE)
    given = parser.parse_args(arguments)
    lines = [HEAD.format(command=COMMAND), "## Shipped"]
    for folder in sorted(path for path in SHIPPED.iterdir() if (path / "bundle.json").exists()):
        lines += _bundle(folder)
    lines.append("## The published systems")
    for name in SYSTEMS:
        lines += (
            _bundle(given.local / name) if (given.local / name / "bundle.json").exists() else [f"### {name}\n\nNot trained here yet.\n"]
        )
    given.page.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    print(f"written: {given.page}")


def _bundle(folder: Path) -> Iterator[str]:
    card = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
    training = card["training"]
    split = training["recipe"]["data"]["split"]
    yield f"### {folder.name}: {card['name']}\n"
    yield f"{card['data']}. Licence: {card['licence']}.\n"
    yield f"`{training['command']}` at revision {training['revision']}; split by {split}{', which leaks' if split == 'image' else ''}.\n"
    if training.get("note"):
        yield f"{training['note']}\n"
    yield from _table(card)
    if outside := card["metrics"].get("outside"):
        yield from _outside(outside)


def _table(card: Mapping[str, Any]) -> Iterator[str]:
    parts = [part for part in PARTS if part in card["metrics"]]
    published = card["training"]["recipe"]["published"]
    heads = [f"{PARTS[part]}, {card['metrics'][part]['images']} images" for part in parts]
    yield f"| figure | {' | '.join(heads)} | published |"
    yield "|---" * (len(parts) + 2) + "|"
    for key, name in FIGURES:
        cells = [_cell(card["metrics"][part], key) for part in parts]
        if any(cell != "–" for cell in cells):
            yield f"| {name} | {' | '.join(cells)} | {_published(published, key)} |"
    yield f"\nPublished: {published['source']}.\n" if "source" in published else ""


def _outside(outside: Mapping[str, Any]) -> Iterator[str]:
    yield "| strangers (nothing was fitted to them) | images | AUROC | false positive rate at 95 % | refused |"
    yield "|---|---|---|---|---|"
    for name, found in outside["outside"].items():
        cells = (_number(found["auroc"]), _number(found["fpr_at_95_tpr"]), _number(found.get("refused")))
        yield f"| {name.replace('_', ' ')} | {found['images']} | {' | '.join(cells)} |"
    yield ""


def _cell(figures: Mapping[str, Any], key: str) -> str:
    *outer, name = re.split(r"\.(?!\d)", key)  # a dot before a digit is a decimal point
    place: Any = figures
    for part in outer:
        place = (place or {}).get(part)
    value = (place or {}).get(name)
    # The intervals of a figure for each class stand in a table of their own.
    interval = figures.get("auroc_95", {}).get(name) if outer == ["auroc"] else (place or {}).get(f"{name}_95")
    return _number(value) + (f" ({interval[0]:.3f}–{interval[1]:.3f})" if interval and value is not None else "")


def _published(published: Mapping[str, Any], key: str) -> str:
    names = {"weighted.precision": "precision", "weighted.f1": ("weighted_f1", "f1"), "macro.f1": "macro_f1"}
    wanted = names.get(key, key.rsplit(".", maxsplit=1)[-1].replace("global_", ""))
    found = [published[name] for name in ([wanted] if isinstance(wanted, str) else wanted) if name in published]
    return f"{found[0]}" if found else ""


def _number(value: Any) -> str:
    return "–" if value is None else f"{value:.3f}"


if __name__ == "__main__":
    main()
