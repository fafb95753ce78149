"""The report: one page that fetches nothing, says what a reader must know, and is the same for the same input."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.evaluation.figures import (
    classification_figures,
    comparison_figures,
    conformal_figures,
    history_figures,
    ood_figures,
    segmentation_figures,
    subgroup_figures,
)
from models.evaluation.report import HTML, JSON, ReportError, Section, SectionKind, write_report
from models.evaluation.report.style import PROPERTIES
from models.evaluation.report.writer import TEMPLATES
from tests.evaluation.samples import noisy, outlines, sure

FACTS = {
    "bundle": "classifier 1a2b3c4d",
    "data": "HAM10000",
    "split": "test",
    "split_by": "lesion",
    "images": 200,
    "command": "dermatrail evaluate",
}
VOID = {"meta", "br", "img", "path", "use"}


def sections() -> list[Section]:
    predictions = noisy(200, lesions=150)
    sets = predictions.probabilities > 0.2
    classes = classification_figures(predictions, malignant_threshold=0.3, draws=30)
    found: dict[SectionKind, dict[str, Any]] = {
        SectionKind.CLASSIFICATION: classes,
        SectionKind.SEGMENTATION: segmentation_figures(outlines(80), draws=30),
        SectionKind.SUBGROUPS: subgroup_figures(predictions, draws=30),
        SectionKind.OOD: ood_figures(
            inside=np.arange(50.0),
            groups=[str(i) for i in range(50)],
            outside={"photographs": np.arange(40.0) + 30},
            threshold=47,
            draws=30,
        ),
        SectionKind.CONFORMAL: conformal_figures(
            sets=sets, labels=predictions.labels, codes=predictions.codes, groups=predictions.groups, target=0.9, draws=30
        ),
        SectionKind.HISTORY: history_figures(
            [{"epoch": e, "loss": 1 / e, "accuracy": 1 - 0.5 / e, "lr": 1e-4} for e in range(1, 6)], best=4
        ),
        SectionKind.COMPARISON: comparison_figures(
            runs={"ours": classes}, reported={"ours": {"accuracy": 0.77}, "paper": {"accuracy": 0.7}}, protocols={"paper": "image split"}
        ),
    }
    return [Section(kind=kind, figures=figures) for kind, figures in found.items()]


@pytest.fixture(scope="module")
def parts() -> list[Section]:
    return sections()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, parts: list[Section]) -> Path:
    """The folder of a report with every kind of section."""
    folder = tmp_path_factory.mktemp("report")
    written(folder, parts)
    return folder


def written(folder: Path, parts: list[Section], **facts: Any) -> str:
    return write_report(folder=folder, title="Eight classes", facts={**FACTS, **facts}, sections=parts).read_text(encoding="utf-8")


class Balance(HTMLParser):
    """Complains about tags that do not close in order; remembers ids and addresses."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in {"src", "href", "xlink:href", "srcset", "action"}]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


def test_the_page_is_whole_and_fetches_nothing(whole: Path) -> None:
    page = (whole / HTML).read_text(encoding="utf-8")
    balance = Balance()
    balance.feed(page)
    assert balance.open == []
    assert all(address.startswith(("#", "data:image/")) for address in balance.addresses)
    assert {address for address in balance.addresses if address.startswith("#part")} == {f"#part-{place}" for place in range(1, 8)}
    assert not [address for address in re.findall(r"https?://[^\"\s<]+", page) if "www.w3.org" not in address]
    assert "url(http" not in page
    assert "<script" not in page
    assert "default-src 'none'" in page
    anchors = [name for name in balance.ids if name.startswith("part")]
    assert len(anchors) == len(set(anchors))


def test_every_kind_of_section_has_a_template_and_a_drawing(whole: Path) -> None:
    page = (whole / HTML).read_text(encoding="utf-8")
    assert {path.stem for path in (TEMPLATES / "sections").iterdir()} == {*SectionKind, "macros"}
    for section in page.split("<section ")[1:]:
        assert section.count('<svg role="img" aria-label="') >= 1


def test_drawings_take_their_colours_from_the_page(whole: Path) -> None:
    page = (whole / HTML).read_text(encoding="utf-8")
    css = (TEMPLATES / "report.css").read_text(encoding="utf-8")
    assert not [colour for colour in PROPERTIES if colour in page]
    drawings = "".join(re.findall(r'<svg role="img".*?</svg>', page, flags=re.DOTALL))
    used = set(re.findall(r"var\(--([\w-]+)\)", drawings))
    assert used <= set(re.findall(r"--([\w-]+):", css))
    assert not re.findall(r"(?:fill|stroke): #\w+", drawings)  # one such colour would vanish in the dark


def test_the_same_input_gives_the_same_bytes(tmp_path: Path, parts: list[Section]) -> None:
    written(tmp_path / "one", parts[:2])
    written(tmp_path / "two", parts[:2])
    for name in (HTML, JSON):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_the_json_holds_every_figure(whole: Path, parts: list[Section]) -> None:
    told = json.loads((whole / JSON).read_text(encoding="utf-8"))
    assert told["facts"] == FACTS
    assert [part["kind"] for part in told["sections"]] == [str(part.kind) for part in parts]
    for part, section in zip(told["sections"], parts, strict=True):
        assert set(part["figures"]) == set(section.figures)
    assert told["sections"][0]["figures"]["accuracy"] == pytest.approx(parts[0].figures["accuracy"], rel=1e-5)


def test_an_image_level_split_is_warned_of_and_others_are_not(tmp_path: Path, parts: list[Section]) -> None:
    warning = "Image-level split: these figures leak and are too good."
    assert warning in written(tmp_path, parts[5:6], split_by="image")
    for unit in ("lesion", "patient", "external"):
        assert warning not in written(tmp_path, parts[5:6], split_by=unit)


@pytest.mark.parametrize("unit", [None, "", "random"])
def test_a_report_without_its_split_is_refused(tmp_path: Path, parts: list[Section], unit: str | None) -> None:
    with pytest.raises(ReportError, match=r"split_by.*lesion, patient, image, external"):
        written(tmp_path, parts[:1], split_by=unit)
    assert list(tmp_path.iterdir()) == []


def test_licence_and_warnings_are_shown(tmp_path: Path, parts: list[Section]) -> None:
    page = written(tmp_path, parts[5:6], licence="CC BY-NC 4.0", non_commercial=True, warnings=["Trained on simulated evolution."])
    assert "non-commercial use only" in page
    assert "<strong>Trained on simulated evolution.</strong>" in page
    assert "non-commercial use only" not in written(tmp_path, parts[5:6], licence="CC0-1.0", non_commercial=False)


def test_names_from_data_are_text_and_never_markup(tmp_path: Path) -> None:
    codes = ["<b>A</b>", "B & C", '"D"']
    predictions = sure([0, 1, 2, 0] * 5, [0, 1, 2, 1] * 5, codes=codes)
    page = written(
        tmp_path, [Section(kind=SectionKind.CLASSIFICATION, figures=classification_figures(predictions, draws=10))], data="<img src=x>"
    )
    assert "<b>A</b>" not in page
    assert "<img src=x>" not in page
    assert "&lt;b&gt;A&lt;/b&gt;" in page


def test_thumbnails_are_shown_from_data_uris_alone(tmp_path: Path) -> None:
    figures = segmentation_figures(outlines(30), draws=10)
    name, picture = figures["worst"][0]["image"], "data:image/png;base64,iVBORw0KGgo="
    page = written(tmp_path, [Section(kind=SectionKind.SEGMENTATION, figures=figures, thumbnails={name: picture})])
    assert f'<img src="{picture}"' in page
    assert picture not in (tmp_path / JSON).read_text(encoding="utf-8")
    with pytest.raises(ReportError, match="no data URI"):
        Section(kind=SectionKind.SEGMENTATION, figures=figures, thumbnails={name: "https://example.org/a.png"})


def test_undefined_figures_are_none_and_not_a_number_is_refused(tmp_path: Path, parts: list[Section]) -> None:
    broken = Section(kind=SectionKind.HISTORY, figures={**parts[5].figures, "curves": {"loss": [float("nan")]}})
    with pytest.raises(ReportError, match=r"history\.curves\.loss is nan"):
        written(tmp_path, [broken])


TINY: dict[str, Callable[[], Section]] = {
    "one class": lambda: Section(kind=SectionKind.CLASSIFICATION, figures=classification_figures(sure([1, 1], [1, 0]), draws=5)),
    "many classes": lambda: Section(kind=SectionKind.CLASSIFICATION, figures=classification_figures(noisy(60, classes=22), draws=5)),
    "two images": lambda: Section(
        kind=SectionKind.CLASSIFICATION,
        figures=classification_figures(sure([0, 1], [0, 0], codes=["BENIGN", "MEL"]), malignant_threshold=0.5, draws=5),
    ),
    "one outline": lambda: Section(kind=SectionKind.SEGMENTATION, figures=segmentation_figures(outlines(1), draws=5)),
    "nothing known": lambda: Section(kind=SectionKind.SUBGROUPS, figures=subgroup_figures(sure([0, 1], [0, 1]), draws=5)),
    "all too few": lambda: Section(kind=SectionKind.SUBGROUPS, figures=subgroup_figures(outlines(4), draws=5)),
    "all scores equal": lambda: Section(
        kind=SectionKind.OOD,
        figures=ood_figures(inside=np.zeros(3), groups=list("abc"), outside={name: np.zeros(2) for name in "abcde"}, draws=5),
    ),
    "empty sets": lambda: Section(
        kind=SectionKind.CONFORMAL,
        figures=conformal_figures(
            sets=np.zeros((2, 2), np.bool_), labels=np.array([0, 0]), codes=["A", "B"], groups=["a", "b"], target=0.95, draws=5
        ),
    ),
    "no curve": lambda: Section(kind=SectionKind.HISTORY, figures=history_figures([{"lr": 0.1}]), title="Rate", note="Nothing else."),
}


@pytest.mark.parametrize("name", TINY)
def test_the_smallest_measurements_still_make_a_report(tmp_path: Path, name: str) -> None:
    Balance().feed(written(tmp_path, [TINY[name]()]))


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_text_and_marks_have_contrast_in_both_themes(theme: int) -> None:
    css = (TEMPLATES / "report.css").read_text(encoding="utf-8")
    colours = {name: pair[theme] for name, *pair in re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)", css)}

    def contrast(one: str, other: str) -> float:
        dark, light = sorted((luminance(colours[one]), luminance(colours[other])))
        return (light + 0.05) / (dark + 0.05)

    texts = [(text, ground) for text in ("ink", "ink-soft", "accent") for ground in ("paper", "panel", "sunken")]
    texts += [("ink", "heat"), ("ink", "attention-wash"), ("attention", "panel")]
    assert {pair: contrast(*pair) for pair in texts if contrast(*pair) < 4.5} == {}
    marks = [(f"series-{place}", "paper") for place in range(1, 7)] + [("attention", "attention-wash")]
    assert {pair: contrast(*pair) for pair in marks if contrast(*pair) < 3} == {}


def test_the_figures_load_without_drawing_learning_or_network_libraries() -> None:
    heavy = "{'matplotlib', 'sklearn', 'scipy', 'torch', 'pandas', 'jinja2'}"
    code = f"import sys, models.evaluation.figures; print(sorted({heavy} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
