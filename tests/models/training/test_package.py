"""What of a recipe a bundle's card takes over."""

import pytest

from models.networks import build_network
from models.training.fit import Fitted
from models.training.package import Provenance, _card
from models.training.recipe import load_recipe


@pytest.mark.parametrize(("measuring", "served"), [({}, 224), ({"side": 256}, 256)])
def test_squares_are_served_as_taught_or_as_the_recipe_says(measuring: dict[str, int], served: int) -> None:
    recipe = load_recipe("classifier").changed({"measuring": measuring})
    fitted = Fitted(network=build_network(architecture="mobilenet_v2", classes=8), history=[])
    card = _card(recipe, fitted, {}, Provenance(command="", revision=""))
    assert card["input"]["side"] == served
    assert card["training"]["recipe"]["input"]["side"] == 224
