"""A picture's scale from a ruler in it: who may set it, what is refused, and what it changes."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from models.change.scale import NARROWEST_MM, WIDEST_MM
from services.records import calibrations
from services.records.states import Role
from tests.review.conftest import Browser, token, words_of
from tests.review.seeds import MELANOMA, Clinic, Seen


def image_of(superuser_engine: Engine, case_id: UUID) -> UUID:
    with superuser_engine.connect() as connection:
        found: UUID = connection.execute(text("SELECT id FROM images WHERE case_id = :id"), {"id": case_id}).scalar_one()
    return found


def lay(reader: Browser, case: UUID, image: UUID, *, px: Any = 100, mm: Any = 5) -> Any:
    """Says that a line of `px` is `mm` long."""
    data = {"csrf_token": token(reader.get(f"/cases/{case}").text), "length_px": px, "length_mm": mm}
    return reader.client.post(f"/cases/{case}/images/{image}/calibration", data=data)


def test_the_measures_are_in_millimetres_by_the_newest_ruler(
    clinic: Clinic, tenant: UUID, reader: Browser, superuser_engine: Engine
) -> None:
    case = clinic.case(tenant, Seen(MELANOMA))
    image = image_of(superuser_engine, case)
    assert lay(reader, case, image, mm=9).status_code == 201
    answer = lay(reader, case, image, mm=5)
    assert answer.get_json()["mm_per_px"] == pytest.approx(0.05)
    words = words_of(reader.get(f"/cases/{case}"))
    assert "24.5 mm² scale: ruler in the picture" in words  # 9800 px²
    assert "6.6 mm scale: ruler in the picture" in words  # 131 px
    assert 'data-spacing="0.05"' in reader.get(f"/cases/{case}").text
    with superuser_engine.connect() as connection:
        patient = connection.execute(text("SELECT patient_id FROM cases")).scalar_one()
    assert "6.6 mm 25 mm² · ruler" in words_of(reader.get(f"/patients/{patient}"))


def test_it_lets_the_lesions_trail_be_measured_anew_and_says_who_did_it(
    clinic: Clinic, tenant: UUID, reader: Browser, superuser_engine: Engine
) -> None:
    case = clinic.case(tenant, Seen(MELANOMA))
    image = image_of(superuser_engine, case)
    lay(reader, case, image)
    with superuser_engine.connect() as connection:
        assert connection.scalar(text("SELECT trail_due_at IS NOT NULL FROM cases WHERE id = :id"), {"id": case})
        audited = connection.execute(text("SELECT subject_id FROM audit_events WHERE action = 'image.calibrated'")).scalars().all()
        kept = connection.execute(text("SELECT length_px, length_mm, user_id IS NOT NULL FROM calibrations")).one()
    assert audited == [image]
    assert tuple(kept) == (100.0, 5.0, True)


@pytest.mark.parametrize(
    ("px", "mm", "said"),
    [
        (100, 0, "more than 0"),
        (100, -3, "more than 0"),
        (0, 5, "more than 0"),
        (100, "nan", "more than 0"),
        (100, "inf", "more than 0"),
        (8, 5, "8 px long"),
        (5000, 5, "longer than the picture"),
        (100, 5000, "check the number and its unit"),
        (100, 0.01, "check the number and its unit"),
        (100, "ten", "a number is needed"),
    ],
)
def test_a_scale_that_cannot_be_is_refused_with_a_reason(
    *, clinic: Clinic, tenant: UUID, reader: Browser, superuser_engine: Engine, px: Any, mm: Any, said: str
) -> None:
    case = clinic.case(tenant, Seen(MELANOMA))
    answer = lay(reader, case, image_of(superuser_engine, case), px=px, mm=mm)
    assert answer.status_code == 422
    assert said in answer.get_json()["message"]


def test_a_picture_of_another_case_or_portal_gets_none(clinic: Clinic, tenant: UUID, reader: Browser, superuser_engine: Engine) -> None:
    mine, theirs = clinic.case(tenant, Seen(MELANOMA)), clinic.case(clinic.tenant("Portal B", "portal-b"), Seen(MELANOMA))
    csrf = {"csrf_token": token(reader.get(f"/cases/{mine}").text), "length_px": 100, "length_mm": 5}
    other = image_of(superuser_engine, theirs)
    for case in (mine, theirs):
        assert reader.client.post(f"/cases/{case}/images/{other}/calibration", data=csrf).status_code == 404


def test_an_administrator_sets_no_scale(clinic: Clinic, tenant: UUID, browser: Browser, superuser_engine: Engine) -> None:
    clinic.user(tenant, role=Role.ADMIN)
    browser.sign_in()
    case = clinic.case(tenant, Seen(MELANOMA))
    assert lay(browser, case, image_of(superuser_engine, case)).status_code == 403


def test_the_desk_believes_the_same_scales_as_the_worker() -> None:
    assert (calibrations.NARROWEST_MM, calibrations.WIDEST_MM) == (NARROWEST_MM, WIDEST_MM)
