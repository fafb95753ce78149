"""What readers draw is measured as what the model draws: known shapes, the original's pixels, and a reason where it cannot be."""

import io
import math
from uuid import UUID, uuid4

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from models.measure import measure
from models.pictures.masks import encode_png
from services.objects import MemoryStore, StoreUnavailable
from services.records.cases import NewCase, accept_case
from services.records.database import Database
from services.records.outlines import record_outline
from services.records.states import Modality
from services.records.views import OutlineView, load_case
from tests.conftest import SettingsFor
from tests.records.worlds import Logins, Portal, Worker, new_image, new_portal
from workers.measuring import OutlineMeasurer, fit, measure_outline

SKIN, PIGMENT = (224, 178, 155), (110, 60, 45)


def ellipse(width: int, height: int, *, axes: tuple[float, float], angle: float = 0.0) -> NDArray[np.uint8]:
    """A mask with an ellipse in its middle; half axes in pixels, drawn to sub-pixel accuracy."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64) + 0.5
    turn = math.radians(angle)
    dx, dy = x - width / 2, y - height / 2
    along, across = dx * math.cos(turn) + dy * math.sin(turn), dy * math.cos(turn) - dx * math.sin(turn)
    return np.where((along / axes[0]) ** 2 + (across / axes[1]) ** 2 <= 1, 255, 0).astype(np.uint8)


def jpeg(width: int, height: int) -> bytes:
    picture = np.full((height, width, 3), SKIN, np.uint8)
    picture[ellipse(width, height, axes=(0.3 * width, 0.3 * height)) > 0] = PIGMENT
    out = io.BytesIO()
    Image.fromarray(picture).save(out, "JPEG", quality=92)
    return out.getvalue()


@pytest.mark.parametrize("angle", [0.0, 30.0, 77.0])
@pytest.mark.parametrize("size", [(4000, 3000), (1500, 2000), (640, 480)])
def test_area_and_diameters_of_an_ellipse_are_within_two_percent(size: tuple[int, int], angle: float) -> None:
    width, height = size
    scale = min(1.0, 1024 / max(size))
    half = (0.3 * min(size), 0.18 * min(size))  # pixels of the original
    drawn = ellipse(round(width * scale), round(height * scale), axes=(half[0] * scale, half[1] * scale), angle=angle)
    measures = measure_outline(jpeg(width, height), encode_png(drawn))
    assert measures is not None
    assert measures.area_px == pytest.approx(math.pi * half[0] * half[1], rel=0.02)
    assert measures.major_diameter_px == pytest.approx(2 * half[0], rel=0.02)
    assert measures.minor_diameter_px == pytest.approx(2 * half[1], rel=0.02)
    assert not measures.touches_border


def test_the_models_own_mask_has_the_measures_that_the_model_gave_it() -> None:
    mask = ellipse(512, 384, axes=(140, 90), angle=20)
    picture = np.full((384, 512, 3), SKIN, np.uint8)
    picture[mask > 0] = PIGMENT
    out = io.BytesIO()
    Image.fromarray(picture).save(out, "PNG")
    as_model = measure(picture, mask, full_width=512, full_height=384, pixel_spacing_mm=None)
    assert measure_outline(out.getvalue(), encode_png(mask)) == as_model


def test_a_fine_mask_keeps_its_area_at_working_size() -> None:
    fine = ellipse(1024, 768, axes=(300, 200), angle=10)
    coarse = fit(fine, width=512, height=384)
    assert coarse.shape == (384, 512)
    assert set(np.unique(coarse)) == {0, 255}
    assert 4 * np.count_nonzero(coarse) == pytest.approx(np.count_nonzero(fine), rel=0.005)


def test_a_mask_at_the_border_says_that_its_sizes_are_lower_bounds() -> None:
    mask = np.zeros((768, 1024), np.uint8)
    cv2.rectangle(mask, (0, 200), (400, 500), 255, cv2.FILLED)
    measures = measure_outline(jpeg(2048, 1536), encode_png(mask))
    assert measures is not None
    assert measures.touches_border


class Away(MemoryStore):
    """A store that does not answer."""

    def get(self, key: str) -> bytes:
        raise StoreUnavailable("away")


class Bench:
    """A case with one picture of 800 × 600 px, and the measuring worker on its login."""

    def __init__(self, logins: Logins, store: MemoryStore) -> None:
        self.store = store
        self.logins = logins
        self.portal = new_portal(logins, "north")
        self.worker = Worker(logins)

    def draw(self, mask: bytes | None, picture: bytes | None = None) -> UUID:
        """A case of its own with an outline; the id of the case."""
        case_id = submit(self.portal, key := f"{uuid4()}/original")
        if picture is not None:
            self.store.put(key, picture, "image/jpeg")
        mask_key = f"{case_id}/drawn.png"
        if mask is not None:
            self.store.put(mask_key, mask, "image/png")
        tenant_ids = [self.portal.tenant_id]
        with self.logins.review.transaction(tenants=tenant_ids) as session:
            image = load_case(session=session, tenant_ids=tenant_ids, case_id=case_id).images[0]
            record_outline(
                session=session, tenant_ids=tenant_ids, case_id=case_id, image_id=image.id, user_id=self.portal.user_id, mask_key=mask_key
            )
        return case_id

    def run(self, store: MemoryStore | None = None) -> int:
        return OutlineMeasurer(transaction=self.logins.worker.transaction, store=store or self.store).run()

    def outline(self, case_id: UUID) -> OutlineView:
        found = self.portal.status(case_id).images[0].outline
        assert found is not None
        return found


def submit(portal: Portal, original_key: str) -> UUID:
    image = new_image(width=800, height=600, modality=Modality.DERMOSCOPIC, original_key=original_key)
    with portal.logins.intake.transaction(tenants=[portal.tenant_id]) as session:
        case = NewCase(patient_reference="P-1")
        return accept_case(session=session, tenant_id=portal.tenant_id, case_id=uuid4(), case=case, images=[image], actor=portal.actor).id


@pytest.fixture
def bench(clean_database: None, settings_for: SettingsFor) -> Bench:
    logins = Logins(**{role: Database.connect(settings_for(role)) for role in ("owner", "intake", "review", "worker")})
    return Bench(logins, MemoryStore())


def drawn() -> bytes:
    return encode_png(ellipse(800, 600, axes=(200, 120)))


def test_waiting_outlines_are_measured_once(bench: Bench) -> None:
    cases = [bench.draw(drawn(), jpeg(800, 600)) for _ in range(3)]
    assert bench.run() == 3
    assert bench.run() == 0
    for case_id in cases:
        outline = bench.outline(case_id)
        assert outline.measures is not None
        assert outline.measures["area_px"] == pytest.approx(math.pi * 200 * 120, rel=0.02)
        assert outline.measured_at is not None


def test_a_picture_that_cannot_be_measured_gets_a_reason_and_costs_no_other(bench: Bench) -> None:
    broken = bench.draw(drawn(), b"\xff\xd8\xff no picture")
    lost = bench.draw(drawn(), None)
    unreadable = bench.draw(b"no mask", jpeg(800, 600))
    empty = bench.draw(encode_png(np.zeros((600, 800), np.uint8)), jpeg(800, 600))
    healthy = bench.draw(drawn(), jpeg(800, 600))
    assert bench.run() == 5
    reasons = [bench.outline(case_id).reason or "" for case_id in (broken, lost, unreadable, empty)]
    assert "cannot be measured" in reasons[0]
    assert "missing" in reasons[1]
    assert "ValueError" in reasons[2]
    assert "too small" in reasons[3]
    assert bench.outline(healthy).measures is not None


def test_while_the_store_is_away_outlines_wait(bench: Bench) -> None:
    case_id = bench.draw(drawn(), jpeg(800, 600))
    assert bench.run(Away()) == 0
    assert bench.outline(case_id).measured_at is None
    assert bench.run() == 1
