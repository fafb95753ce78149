"""Outlines that readers draw: nothing is overwritten, the newest counts, and each tenant sees its own."""

from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError, ProgrammingError

from services.records.errors import CaseClosed, CaseNotFound
from services.records.outlines import (
    ReadersOutline,
    count_unmeasured,
    newest_outlines,
    record_outline,
    store_measures,
    unmeasured_outlines,
)
from services.records.views import ImageView
from tests.records.conftest import Statements
from tests.records.worlds import Portal, Worker

MEASURES = {"area_px": 1234.0, "touches_border": False}


class Drawing:
    """One analysed case of a portal, and who draws on it."""

    def __init__(self, portal: Portal, worker: Worker) -> None:
        self.portal = portal
        self.case_id = portal.submit().id
        worker.complete(worker.claim(), mask_key="model/mask.png")
        self.image_id = self.image.id

    @property
    def image(self) -> ImageView:
        return self.portal.status(self.case_id).images[0]

    def draw(self, key: str | None = "drawn.png", *, by: Portal | None = None) -> UUID:
        by = by or self.portal
        with by.logins.review.transaction(tenants=[by.tenant_id]) as session:
            return record_outline(
                session=session,
                tenant_ids=[by.tenant_id],
                case_id=self.case_id,
                image_id=self.image_id,
                user_id=by.user_id,
                mask_key=key,
            )

    def newest(self, role: str = "review", *, by: Portal | None = None) -> dict[UUID, ReadersOutline]:
        tenant_ids = [(by or self.portal).tenant_id]
        with getattr(self.portal.logins, role).transaction(tenants=tenant_ids) as session:
            return newest_outlines(session=session, tenant_ids=tenant_ids, image_ids=[self.image_id, uuid4()])

    def measure(self, outline_id: UUID, reason: str | None = None) -> bool:
        with self.portal.logins.worker.transaction() as session:
            measures = None if reason else MEASURES
            return store_measures(session=session, outline_id=outline_id, measures=measures, reason=reason)

    def waiting(self) -> list[UUID]:
        with self.portal.logins.worker.transaction() as session:
            found = [outline.id for outline in unmeasured_outlines(session=session, limit=10)]
            assert count_unmeasured(session=session) == len(found)
            return found


@pytest.fixture
def drawing(portal: Portal, worker: Worker) -> Drawing:
    return Drawing(portal, worker)


def test_an_image_that_nobody_drew_on_has_the_models_mask(drawing: Drawing) -> None:
    assert drawing.image.outline is None
    assert drawing.image.mask_key == "model/mask.png"
    assert drawing.newest() == {}


def test_a_drawn_outline_counts_and_names_its_author(drawing: Drawing) -> None:
    outline_id = drawing.draw()
    outline = drawing.image.outline
    assert outline is not None
    assert (outline.id, outline.author, outline.measures, outline.measured_at) == (outline_id, "Dr L.", None, None)
    assert drawing.image.mask_key == "drawn.png"
    assert drawing.newest()[drawing.image_id].mask_key == "drawn.png"


def test_the_newest_of_several_counts_and_the_others_stay_on_file(drawing: Drawing, behind: Connection) -> None:
    drawing.draw("first.png")
    drawing.draw("second.png")
    assert drawing.image.mask_key == "second.png"
    assert set(behind.scalars(text("SELECT mask_key FROM outlines"))) == {"first.png", "second.png"}


def test_the_word_can_be_given_back_to_the_model(drawing: Drawing) -> None:
    drawing.draw()
    drawing.draw(None)
    assert drawing.image.outline is None
    assert drawing.image.mask_key == "model/mask.png"
    assert drawing.newest() == {}
    assert len(drawing.waiting()) == 1  # only what was drawn has something to be measured


def test_the_worker_finds_what_waits_and_measures_it_once(drawing: Drawing) -> None:
    first, second = drawing.draw("first.png"), drawing.draw("second.png")
    assert drawing.waiting() == [first, second]
    assert drawing.measure(second)
    assert drawing.measure(second, reason="a slower worker") is False
    assert drawing.waiting() == [first]
    outline = drawing.image.outline
    assert outline is not None
    assert outline.measures == MEASURES
    assert outline.reason is None
    assert drawing.newest("intake")[drawing.image_id].measures == MEASURES


def test_an_outline_that_cannot_be_measured_keeps_the_reason(drawing: Drawing) -> None:
    drawing.measure(drawing.draw(), reason="too small")
    outline = drawing.image.outline
    assert outline is not None
    assert (outline.measures, outline.reason) == (None, "too small")
    assert drawing.waiting() == []


def test_a_decided_case_takes_no_outline(drawing: Drawing) -> None:
    drawing.portal.review(drawing.case_id)
    with pytest.raises(CaseClosed, match="decided"):
        drawing.draw()


def test_another_tenant_can_neither_draw_nor_see_an_outline(drawing: Drawing, other: Portal) -> None:
    drawing.draw()
    with pytest.raises(CaseNotFound):
        drawing.draw("theirs.png", by=other)
    assert drawing.newest(by=other) == {}
    with other.logins.review.transaction(tenants=[other.tenant_id]) as session:
        assert session.scalars(text("SELECT 1 FROM outlines")).all() == []


def test_an_image_of_another_case_is_not_drawn_on(drawing: Drawing, worker: Worker) -> None:
    elsewhere = Drawing(drawing.portal, worker)
    elsewhere.image_id = drawing.image_id
    with pytest.raises(CaseNotFound):
        elsewhere.draw()


def test_a_row_cannot_be_planted_with_another_tenant(drawing: Drawing, other: Portal) -> None:
    plant = text(
        "INSERT INTO outlines (id, tenant_id, image_id, user_id, mask_key) VALUES (gen_random_uuid(), :tenant, :image, :user, 'planted')"
    )
    values = {"tenant": drawing.portal.tenant_id, "image": drawing.image_id, "user": other.user_id}
    with (
        pytest.raises(ProgrammingError, match="row-level security"),
        other.logins.review.transaction(tenants=[other.tenant_id]) as session,
    ):
        session.execute(plant, values)


@pytest.mark.parametrize("statement", ["UPDATE outlines SET mask_key = 'other.png'", "DELETE FROM outlines"])
@pytest.mark.parametrize("role", ["intake", "review", "worker"])
def test_nobody_overwrites_or_deletes_an_outline(drawing: Drawing, role: str, statement: str) -> None:
    drawing.draw()
    login = getattr(drawing.portal.logins, role)
    with pytest.raises(ProgrammingError, match="permission denied"), login.transaction(tenants=[drawing.portal.tenant_id]) as session:
        session.execute(text(statement))


def test_measures_without_a_mask_are_refused(drawing: Drawing, behind: Connection) -> None:
    drawing.draw()
    with pytest.raises(IntegrityError, match="ck_outlines_restored"):
        behind.execute(text("UPDATE outlines SET mask_key = NULL"))


def test_drawing_and_measuring_are_audited(drawing: Drawing, behind: Connection) -> None:
    outline_id = drawing.draw()
    drawing.measure(outline_id)
    drawing.draw(None)
    rows = behind.execute(
        text("SELECT action, subject_id, details FROM audit_events WHERE action LIKE 'outline.%' ORDER BY sequence")
    ).all()
    assert [row.action for row in rows] == ["outline.corrected", "outline.measured", "outline.corrected"]
    assert {row.subject_id for row in rows} == {drawing.image_id}
    assert [row.details.get("restored") for row in rows] == [False, None, True]
    assert rows[0].details["outline"] == str(outline_id)


def test_the_newest_outlines_of_many_images_cost_one_statement(drawing: Drawing, statements: Statements) -> None:
    drawing.draw()
    statements.clear()
    drawing.newest()
    assert len([statement for statement in statements if "outlines" in statement]) == 1


def test_a_case_with_outlines_is_still_loaded_in_three_statements(drawing: Drawing, statements: Statements) -> None:
    drawing.draw()
    statements.clear()
    assert drawing.image.outline is not None
    assert len([statement for statement in statements if statement.startswith("SELECT") and "set_config" not in statement]) == 3
