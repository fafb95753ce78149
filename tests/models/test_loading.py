"""Bundles by name, and errors that say which there are."""

from pathlib import Path

import pytest

from models.bundle import SHIPPED, BundleError
from models.loading import load_pair


def test_the_shipped_pair_is_found_by_name() -> None:
    segmenter, classifier = load_pair(folder=None, segmenter="segmenter", classifier="classifier")
    assert (segmenter.card["task"], classifier.card["task"]) == ("segmentation", "classification")


def test_a_bundle_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(BundleError, match=r"there is no bundle 'clasifier' in .*: choose one of classifier.*, segmenter"):
        load_pair(folder=SHIPPED, segmenter="segmenter", classifier="clasifier")


def test_an_empty_folder_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="choose one of none; train or import one"):
        load_pair(folder=tmp_path, segmenter="segmenter", classifier="classifier")


def test_a_segmenter_is_no_classifier() -> None:
    with pytest.raises(BundleError, match="segmenter is no classifier: its card has the task 'segmentation'"):
        load_pair(folder=None, segmenter="segmenter", classifier="segmenter")
