"""A lesion that has changed, in the worklist: said in words, marked by a shape, found by a filter and by a view of ours."""

from uuid import UUID

from sqlalchemy import Engine, text

from tests.review.conftest import Browser
from tests.review.seeds import MELANOMA, Clinic, Seen

GREW = "grew 38 % ± 6 in 4 months"


def raise_alert(engine: Engine, case_id: UUID) -> None:
    with engine.begin() as connection:
        said = {"alert": GREW, "id": case_id}
        connection.execute(text("UPDATE cases SET alert = :alert, flags = flags || '{change}' WHERE id = :id"), said)


def test_the_line_says_how_the_lesion_has_changed(clinic: Clinic, tenant: UUID, reader: Browser, superuser_engine: Engine) -> None:
    raise_alert(superuser_engine, clinic.case(tenant, Seen(MELANOMA)))
    page = reader.get("/").text
    assert f'<span class="mark-text">{GREW}</span>' in page
    assert "mark-changed" in page
    assert ">change<" not in page


def test_a_view_of_ours_lists_the_alerts_alone(clinic: Clinic, tenant: UUID, reader: Browser, superuser_engine: Engine) -> None:
    changed, stable = clinic.case(tenant, Seen(MELANOMA)), clinic.case(tenant, Seen(MELANOMA))
    raise_alert(superuser_engine, changed)
    assert 'href="/?mark=change"' in reader.get("/").text
    page = reader.get("/?mark=change").text
    assert str(changed) in page
    assert str(stable) not in page
