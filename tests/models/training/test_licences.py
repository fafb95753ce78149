"""What pictures allow travels with the weights."""

import pytest

from models.datasets import READERS, DatasetError
from models.training.licences import SOURCES, Terms, terms_of
from models.training.recipe import load_recipe, recipe_names


def test_one_non_commercial_source_makes_the_whole_so() -> None:
    terms = terms_of(["isic2018_task1", "ham10000"])
    assert terms.non_commercial
    assert terms.licence == "non-commercial use only; training data: CC0-1.0, CC BY-NC 4.0"


def test_weights_remember_what_they_began_from() -> None:
    began = Terms(data="HAM10000", licence="non-commercial use only; training data: CC BY-NC 4.0", non_commercial=True)
    terms = terms_of(["isic2018_task1"], inherited=began)
    assert terms.non_commercial
    assert terms.licence.startswith("non-commercial use only; training data: CC0-1.0; first weights: training data: CC BY-NC 4.0")
    assert "first weights from HAM10000" in terms.data


def test_own_pictures_are_taken_for_the_strictest() -> None:
    assert terms_of(["folder"]).non_commercial


def test_no_source_is_refused() -> None:
    with pytest.raises(DatasetError, match="names no source"):
        terms_of([])


@pytest.mark.parametrize("name", [name for name in recipe_names() if name.endswith("_permissive")])
def test_the_permissive_recipes_use_no_non_commercial_picture(name: str) -> None:
    assert not terms_of(load_recipe(name).data.sources).non_commercial


def test_every_source_of_a_shipped_recipe_has_a_reader_and_known_terms() -> None:
    used = {source for name in recipe_names() for source in load_recipe(name).data.sources}
    assert used <= set(READERS)
    assert used <= set(SOURCES)
