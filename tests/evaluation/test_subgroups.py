"""Parts of the people are measured like the whole, or not at all where they are too few."""

from dataclasses import replace

import numpy as np
import pytest

from models.evaluation.figures import FEWEST, classification_figures, subgroup_figures
from tests.evaluation.samples import noisy, outlines


def test_every_image_is_in_one_row_of_each_attribute_and_unknown_ones_come_last() -> None:
    figures = subgroup_figures(noisy(300), draws=20)
    assert set(figures["attributes"]) == {"age", "sex"}  # nobody's Fitzpatrick type is recorded
    for rows in figures["attributes"].values():
        assert sum(row["images"] for row in rows) == 300
    assert [row["value"] for row in figures["attributes"]["age"]] == ["under 30", "30–44", "45–59", "60–74", "75 and over", "not recorded"]


def test_a_row_has_the_figures_of_its_images_alone() -> None:
    whole = noisy(300)
    row = subgroup_figures(whole, malignant_threshold=0.4, draws=50)["attributes"]["sex"][0]
    women = whole.take(np.array([sex == "female" for sex in whole.attributes["sex"]]))
    alone = classification_figures(women, malignant_threshold=0.4, draws=50)
    for name in ("accuracy", "accuracy_95", "balanced_accuracy", "balanced_accuracy_95", "malignant_auroc", "malignant_auroc_95"):
        assert row[name] == pytest.approx(alone[name])
    for name in ("sensitivity", "sensitivity_95", "specificity", "specificity_95"):
        assert row[name] == pytest.approx(alone["malignant"]["operating_point"][name])


def test_a_part_of_few_lesions_is_counted_but_not_measured() -> None:
    sites = ["scalp"] * 12 + ["back"] * 88
    groups = ["one lesion"] * 4 + [f"lesion {index}" for index in range(96)]
    figures = subgroup_figures(replace(noisy(100), attributes={"site": sites}, groups=groups), draws=20)
    scalp = next(row for row in figures["attributes"]["site"] if row["value"] == "scalp")
    assert (scalp["images"], scalp["lesions"]) == (12, FEWEST - 1)
    assert [scalp[name] for name in figures["figures"]] == [None] * len(figures["figures"])


def test_rates_of_few_malignant_lesions_are_left_out() -> None:
    whole = noisy(200)
    benign, bad = np.flatnonzero(~whole.truly_malignant), np.flatnonzero(whole.truly_malignant)
    part = whole.take(np.concatenate([benign, bad[:5]]))
    overall = subgroup_figures(replace(part, groups=[str(i) for i in range(len(part.labels))]), draws=20)["overall"]
    assert overall["malignant_lesions"] == 5
    assert (overall["sensitivity"], overall["malignant_auroc"]) == (None, None)
    assert overall["specificity"] is not None


def test_outlines_have_subgroups_too() -> None:
    figures = subgroup_figures(outlines(60), draws=20)
    assert figures["figures"] == ["jaccard", "thresholded_jaccard", "share_under_0.65", "dice"]
    low, high = figures["overall"]["jaccard_95"]
    assert low < figures["overall"]["jaccard"] < high
    assert [row["value"] for row in figures["attributes"]["source"]] == ["HAM10000", "ISIC 2018"]
