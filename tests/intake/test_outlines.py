"""A reader's outline comes before the model's wherever a portal looks."""

import uuid
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.pictures.decode import decode
from models.pictures.masks import encode_png
from services.records.access import create_user
from services.records.outlines import record_outline, store_measures
from services.records.states import Role
from services.records.views import load_case
from tests.intake.conftest import Backstage, Portal, Sender

MEASURES = {"area_px": 96.0, "touches_border": True}


def draw(backstage: Backstage, portal: Portal, case_id: uuid.UUID, mask: NDArray[np.uint8] | None) -> uuid.UUID:
    """What the desk does when a reader saves a mask, or gives the word back to the model."""
    tenant_ids = [portal.tenant_id]
    with backstage.owner.transaction(tenants=tenant_ids) as session:
        person: dict[str, Any] = {"email": f"{uuid.uuid4().hex}@example.org", "name": "Dr Lind", "role": Role.DERMATOLOGIST}
        user_id = create_user(session=session, tenants=tenant_ids, password="correct horse battery", **person)
    key = None
    if mask is not None:
        key = f"{case_id}/{uuid.uuid4()}.png"
        backstage.store.put(key, encode_png(mask), "image/png")
    with backstage.reviewer.transaction(tenants=tenant_ids) as session:
        image = load_case(session=session, tenant_ids=tenant_ids, case_id=case_id).images[0]
        return record_outline(session=session, tenant_ids=tenant_ids, case_id=case_id, image_id=image.id, user_id=user_id, mask_key=key)


def corner() -> NDArray[np.uint8]:
    mask = np.zeros((64, 96), np.uint8)
    mask[:8, :12] = 255
    return mask


@pytest.fixture
def submitted(sender: Sender, picture: bytes) -> dict[str, Any]:
    found: dict[str, Any] = sender.post(("a.jpg", picture)).get_json()
    return found


def image_of(sender: Sender, submitted: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = sender.get(submitted["status_url"]).get_json()["images"][0]
    return found


def shown_mask(sender: Sender, url: str) -> NDArray[np.uint8]:
    return decode(sender.get(url).data).rgb[..., 0]


def test_without_a_readers_outline_everything_is_the_models(sender: Sender, backstage: Backstage, submitted: dict[str, Any]) -> None:
    backstage.analyse()
    image = image_of(sender, submitted)
    assert image["analysis"]["measures_source"] == "model"
    assert image["outline"] is None


def test_a_readers_outline_comes_before_the_models(sender: Sender, backstage: Backstage, portal: Portal, submitted: dict[str, Any]) -> None:
    backstage.analyse()
    before = shown_mask(sender, image_of(sender, submitted)["analysis"]["mask_url"])
    outline_id = draw(backstage, portal, uuid.UUID(submitted["id"]), corner())
    image = image_of(sender, submitted)
    assert (image["analysis"]["measures_source"], image["analysis"]["measures"]) == ("reader", None)  # the worker has not measured it yet
    with backstage.worker.transaction() as session:
        store_measures(session=session, outline_id=outline_id, measures=MEASURES)
    image = image_of(sender, submitted)
    assert image["analysis"]["measures"] == MEASURES
    assert (image["outline"]["author"], image["outline"]["measures"]) == ("Dr Lind", MEASURES)
    after = shown_mask(sender, image["analysis"]["mask_url"])
    assert np.array_equal(after, corner())
    assert not np.array_equal(after, before)


def test_an_outline_that_was_given_back_is_the_models_again(
    sender: Sender, backstage: Backstage, portal: Portal, submitted: dict[str, Any]
) -> None:
    backstage.analyse()
    before = shown_mask(sender, image_of(sender, submitted)["analysis"]["mask_url"])
    for mask in (corner(), None):
        draw(backstage, portal, uuid.UUID(submitted["id"]), mask)
    image = image_of(sender, submitted)
    assert image["analysis"]["measures_source"] == "model"
    assert np.array_equal(shown_mask(sender, image["analysis"]["mask_url"]), before)


def test_an_outline_of_a_picture_without_analysis_is_served(
    sender: Sender, backstage: Backstage, portal: Portal, submitted: dict[str, Any]
) -> None:
    draw(backstage, portal, uuid.UUID(submitted["id"]), corner())
    image = image_of(sender, submitted)
    assert image["analysis"] is None
    assert np.array_equal(shown_mask(sender, image["outline"]["mask_url"]), corner())
