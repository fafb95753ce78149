"""Recipes are data: whole, checked, and wrong ones say what to change."""

from pathlib import Path

import pytest

from models.training.recipe import RecipeError, load_recipe, recipe_names
from models.training.run import members_of


@pytest.mark.parametrize("name", recipe_names())
def test_every_shipped_recipe_can_be_read_and_smoked(name: str) -> None:
    smoked = load_recipe(name).smoked()
    assert smoked.training.epochs == 1
    assert smoked.input.side <= 64


@pytest.mark.parametrize("name", recipe_names())
def test_every_shipped_recipe_is_small_enough_to_read_at_a_glance(name: str) -> None:
    path = Path(__file__).parents[3] / "models" / "recipes" / f"{name}.toml"
    assert len(path.read_text().splitlines()) <= 75


@pytest.mark.parametrize("system", ["s0", "s1", "s2", "s3", "s4", "default"])
def test_every_published_system_has_a_recipe(system: str) -> None:
    assert system in {load_recipe(name).system for name in recipe_names()}


def test_an_unknown_recipe_names_the_known_ones() -> None:
    with pytest.raises(RecipeError, match=r"no recipe 's9'.*s0.*segmenter"):
        load_recipe("s9")


def test_a_misspelt_setting_is_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(Path("models/recipes/s4.toml").read_text().replace("learning_rate", "lerning_rate"))
    with pytest.raises(RecipeError, match=r"training\.lerning_rate"):
        load_recipe(str(path))


def test_shares_that_do_not_fill_the_whole_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(Path("models/recipes/s4.toml").read_text().replace("[0.8, 0.0, 0.2]", "[0.8, 0.1, 0.2]"))
    with pytest.raises(RecipeError, match="add up to 1"):
        load_recipe(str(path))


def test_a_file_that_is_not_toml_says_where(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("title = ")
    with pytest.raises(RecipeError, match="not TOML"):
        load_recipe(str(path))


@pytest.mark.parametrize("over", [{"first_side": 32}, {"first_epochs": 1}, {"first_side": 32, "first_epochs": 9}])
def test_small_pictures_come_first_and_not_for_longer_than_the_run(over: dict[str, int]) -> None:
    recipe = load_recipe("classifier_permissive")
    with pytest.raises(RecipeError, match="first_side and first_epochs stand together"):
        recipe.changed({"training": over})


def test_members_of_one_architecture_differ_in_seed_and_folder() -> None:
    members = members_of(load_recipe("classifier"))
    assert list(members) == ["mobilenet_v2", "mobilenet_v2-2", "mobilenet_v2-3"]
    assert [one.training.seed for one in members.values()] == [0, 1, 2]
    assert {one.network.architecture for one in members.values()} == {"mobilenet_v2"}


def test_members_of_different_architectures_share_the_seed() -> None:
    members = members_of(load_recipe("s4"))
    assert {name: one.training.seed for name, one in members.items()} == {"resnet18": 0, "mobilenet_v2": 0}
    assert members_of(load_recipe("s2")) == {}


def test_a_sequence_cannot_begin_with_small_pictures() -> None:
    with pytest.raises(RecipeError, match=r"first_side is for single pictures.*leave it out"):
        load_recipe("sequence").changed({"training": {"first_side": 32, "first_epochs": 1}})
