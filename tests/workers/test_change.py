"""The running side of the trail: what is compared, once and no more, and what becomes of pictures, servers and workers that fail."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from infra.demo.cases import encode
from infra.demo.visits import FOLLOWED, drawn_visits
from models.analyzer import Analyzer
from models.explain import HeatMaps
from models.pictures.masks import encode_png
from models.synthetic import Kind, draw
from services.objects import MemoryStore, StoreUnavailable
from services.records import changes
from services.records.database import Database
from services.records.outlines import record_outline, store_measures
from tests.conftest import SettingsFor
from tests.records.worlds import Logins, new_portal
from tests.workers import trails
from tests.workers.trails import Clinic, Figures
from workers import lesion_work, trail_alerts
from workers.lesion_work import Tools
from workers.registry import NotServable


@pytest.fixture
def clinic(clean_database: None, settings_for: SettingsFor, superuser_engine: Engine) -> Iterator[Clinic]:
    logins = Logins(**{role: Database.connect(settings_for(role)) for role in ("owner", "intake", "review", "worker")})
    with superuser_engine.connect().execution_options(isolation_level="AUTOCOMMIT") as behind:
        yield Clinic(new_portal(logins, "north"), behind)
    logins.close()


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> Figures:
    """The pictures are not looked at closely: what is done with the answer is tested here."""
    made = Figures()
    monkeypatch.setattr(lesion_work, "measure_visit", made.measure)
    monkeypatch.setattr(lesion_work, "compare", made.compare)
    monkeypatch.setattr(trail_alerts, "fired", trails.fired)
    monkeypatch.setattr(trail_alerts, "headline", trails.headline)
    return made


class Away(MemoryStore):
    """A store that does not answer."""

    def get(self, key: str) -> bytes:
        raise StoreUnavailable("The object store is away.")


def mark(clinic: Clinic, case_id: UUID) -> None:
    with clinic.portal.logins.review.transaction(tenants=[clinic.portal.tenant_id]) as session:
        changes.mark_due(session=session, tenant_id=clinic.portal.tenant_id, lesion_ids=[clinic.case(case_id).lesion_id])


@pytest.fixture(scope="module")
def networks() -> Tools:
    """Those that are shipped."""
    return Tools(Analyzer.load(heatmaps=HeatMaps.OFF, half=False), None)


@pytest.mark.timeout(300)
def test_of_the_demonstrations_lesions_the_growing_one_alone_raises_an_alert(clinic: Clinic, networks: Tools) -> None:
    clinic.tools = lambda: networks
    newest: dict[str, UUID] = {}
    for number, seen in enumerate(drawn_visits()):
        reference, spacing = seen.case["lesion"]["reference"], seen.case["images"][0]["pixel_spacing_mm"]
        said = {"picture": encode(seen.rgb, ".jpg"), "pixel_spacing_mm": spacing, "width": 1024, "height": 768, "outlined": False}
        newest[reference] = clinic.visit(day=30 * number, lesion=reference, **said)
    clinic.drain()
    assert all(row.valid for row in clinic.comparisons())
    assert {reference: bool(clinic.case(case_id).alert) for reference, case_id in newest.items()} == {
        lesion.reference: lesion.grows for lesion in FOLLOWED
    }
    row = clinic.comparisons()[0]
    assert clinic.store.get(row.registered_key).startswith(b"\xff\xd8")
    assert clinic.store.get(row.difference_key).startswith(b"\x89PNG")


def test_a_growing_lesion_is_compared_and_raises_an_alert(clinic: Clinic, figures: Figures) -> None:
    figures.grew = 0.38
    first, second = clinic.visit(), clinic.visit(day=120)
    assert clinic.drain() == 1
    row = clinic.comparisons()[0]
    assert (row.earlier_case_id, row.later_case_id, row.valid, row.why) == (first, second, True, None)
    assert clinic.store.get(row.registered_key) == b"registered"
    assert clinic.store.get(row.difference_key) == b"difference"
    assert set(row.changes) == {"changes", "basis", "months", "notes", "new_classes", "lower_bound"}
    case = clinic.case(second)
    assert case.alert == "grew 38 % ± 6 in 4 months"
    assert "change" in case.flags
    assert (case.trail_due_at, case.trail_failed) == (None, None)
    assert clinic.case(first).alert is None


def test_one_new_visit_after_ten_costs_two_comparisons_and_one_measuring(clinic: Clinic, figures: Figures) -> None:
    for number in range(10):
        clinic.visit(day=30 * number)
    clinic.drain()
    # Nine neighbours, and the last with the first once; how often the last was another one depends on nothing here.
    assert len(figures.compared) == 10
    assert figures.measured == 10
    figures.compared.clear()
    clinic.visit(day=300)
    clinic.drain()
    assert len(figures.compared) == 2
    assert figures.measured == 11
    clinic.drain()
    assert len(figures.compared) == 2


def test_looking_again_changes_nothing(clinic: Clinic, figures: Figures) -> None:
    figures.grew = 0.4
    clinic.visit()
    second = clinic.visit(day=120)
    clinic.drain()
    mark(clinic, second)
    assert clinic.drain() == 1
    assert len(clinic.comparisons()) == 1
    assert clinic.behind.execute(text("SELECT count(*) FROM alerts")).scalar_one() == 1


def test_visits_that_arrive_out_of_order_are_compared_in_the_order_of_their_dates(clinic: Clinic, figures: Figures) -> None:
    clinic.visit(day=200)
    clinic.visit(day=0)
    clinic.drain()
    clinic.visit(day=100)
    clinic.drain()
    assert all(earlier is not None and later is not None and earlier < later for earlier, later in figures.compared)
    assert len(clinic.comparisons()) == 3


def test_visits_of_one_moment_are_compared_once_in_the_order_of_arrival(clinic: Clinic, figures: Figures) -> None:
    first, second = clinic.visit(day=5), clinic.visit(day=5)
    clinic.drain()
    row = clinic.comparisons()[0]
    assert (row.earlier_case_id, row.later_case_id) == (first, second)
    assert len(figures.compared) == 1


def test_a_lesion_with_one_visit_costs_no_picture(clinic: Clinic, figures: Figures) -> None:
    clinic.visit(lesion="L-1")
    clinic.visit(lesion="L-2", picture=b"never read")
    assert clinic.drain(store=Away()) == 0
    assert figures.measured == 0


def test_pictures_that_cannot_be_compared_are_kept_with_the_reason_and_raise_nothing(clinic: Clinic, figures: Figures) -> None:
    figures.why = "other_place"
    clinic.visit()
    second = clinic.visit(day=60)
    clinic.drain()
    row = clinic.comparisons()[0]
    assert (row.valid, row.why, row.registration, row.changes, row.registered_key) == (False, "other_place", None, None, None)
    assert clinic.case(second).alert is None
    assert clinic.case(second).trail_failed is None


@pytest.mark.parametrize("broken", [b"\xff\xd8\xff no picture", None])
def test_a_broken_or_missing_picture_says_so_and_the_other_visits_are_compared(
    clinic: Clinic, figures: Figures, broken: bytes | None
) -> None:
    clinic.visit()
    key = "lost/original"
    clinic.visit(day=30, picture=broken or b"", original_key=key)
    if broken is None:
        clinic.store.delete(key)
    last = clinic.visit(day=60)
    clinic.drain()
    case = clinic.case(last)
    assert case.trail_due_at is None
    assert "4 February 2026 was not compared" in case.trail_failed
    assert len(clinic.comparisons()) == 1, "the first and the last can be compared"
    assert len(figures.compared) == 1


def test_while_the_store_is_away_trails_wait_and_lose_no_attempt(clinic: Clinic, figures: Figures) -> None:
    clinic.visit()
    second = clinic.visit(day=60)
    assert clinic.drain(store=Away()) == 0
    case = clinic.case(second)
    assert case.trail_attempts == 0
    assert case.trail_due_at is not None
    assert clinic.drain() == 0, "not before the pause is over"
    clinic.wait_is_over()
    assert clinic.drain() == 1
    assert len(figures.compared) == 1


def test_while_no_champion_can_be_served_trails_wait(clinic: Clinic, figures: Figures) -> None:
    clinic.visit()
    second = clinic.visit(day=60)

    def none() -> Any:
        raise NotServable("No classifier is champion.")

    tools, clinic.tools = clinic.tools, none
    assert clinic.drain() == 0
    assert clinic.case(second).trail_attempts == 0
    clinic.tools = tools
    clinic.wait_is_over()
    assert clinic.drain() == 1


def test_code_that_fails_on_a_lesion_is_tried_three_times_and_costs_no_other_lesion(clinic: Clinic, figures: Figures) -> None:
    clinic.visit(lesion="L-1")
    bad = clinic.visit(lesion="L-1", day=60)

    def fail() -> None:
        raise ArithmeticError

    figures.meanwhile = fail
    for _ in range(3):
        clinic.drain()
        clinic.wait_is_over()
    figures.meanwhile = lambda: None
    clinic.visit(lesion="L-2")
    clinic.visit(lesion="L-2", day=60)
    clinic.drain()
    case = clinic.case(bad)
    assert case.trail_due_at is None
    assert "stopped with ArithmeticError" in case.trail_failed
    assert len(clinic.comparisons()) == 1


def test_a_failure_leaves_the_alert_as_it_was(clinic: Clinic, figures: Figures) -> None:
    figures.grew = 0.4
    clinic.visit()
    second = clinic.visit(day=60)
    clinic.drain()
    clinic.behind.execute(text("UPDATE cases SET visited_at = visited_at + interval '1 day' WHERE id = :id"), {"id": second})

    def fail() -> None:
        raise ArithmeticError

    figures.meanwhile = fail
    mark(clinic, second)
    clinic.drain(max_attempts=1)
    case = clinic.case(second)
    assert case.alert
    assert case.trail_failed


def test_stopping_gives_the_trail_back_and_keeps_what_was_done(clinic: Clinic, figures: Figures) -> None:
    for number in range(4):
        clinic.visit(day=30 * number)
    figures.meanwhile = clinic.stopping.set
    clinic.drain()
    assert len(clinic.comparisons()) == 1
    figures.meanwhile = lambda: None
    clinic.stopping.clear()
    assert clinic.drain() == 1
    assert len(clinic.comparisons()) == 4
    assert len(figures.compared) == 4, "what was done is not done again"


def test_a_trail_flagged_during_the_work_is_begun_again(clinic: Clinic, figures: Figures) -> None:
    for number in range(3):
        last = clinic.visit(day=30 * number)

    def once() -> None:
        figures.meanwhile = lambda: None
        mark(clinic, last)

    figures.meanwhile = once
    assert clinic.drain() == 2
    assert clinic.case(last).trail_due_at is None
    assert len(figures.compared) == 3


def test_a_visit_that_moves_to_another_lesion_takes_the_alert_with_it(clinic: Clinic, figures: Figures) -> None:
    figures.grew = 0.4
    clinic.visit()
    second = clinic.visit(day=60)
    clinic.visit(lesion="L-2")
    clinic.drain()
    assert clinic.case(second).alert
    other = clinic.behind.execute(text("SELECT id FROM lesions WHERE reference = 'L-2'")).scalar_one()
    left = clinic.case(second).lesion_id
    figures.grew = None
    clinic.behind.execute(text("UPDATE cases SET lesion_id = :lesion WHERE id = :id"), {"lesion": other, "id": second})
    with clinic.portal.logins.review.transaction(tenants=[clinic.portal.tenant_id]) as session:
        changes.mark_due(session=session, tenant_id=clinic.portal.tenant_id, lesion_ids=[left, other])
    clinic.drain()
    assert clinic.case(second).alert is None
    assert len(clinic.comparisons()) == 2


def test_a_single_visit_left_over_by_a_split_loses_its_alert(clinic: Clinic, figures: Figures) -> None:
    figures.grew = 0.4
    clinic.visit()
    second = clinic.visit(day=60)
    clinic.drain()
    clinic.behind.execute(
        text("""WITH made AS (INSERT INTO lesions (id, tenant_id, patient_id, tracking_uid)
                SELECT gen_random_uuid(), tenant_id, patient_id, '2.25.1' FROM cases WHERE id = :id RETURNING id)
                UPDATE cases SET lesion_id = made.id FROM made WHERE cases.id = :id"""),
        {"id": second},
    )
    mark(clinic, second)
    clinic.drain()
    case = clinic.case(second)
    assert (case.alert, case.trail_due_at) == (None, None)
    assert "change" not in case.flags


def test_a_readers_outline_and_its_withdrawal_are_compared_anew(clinic: Clinic, figures: Figures) -> None:
    clinic.visit()
    second = clinic.visit(day=60)
    clinic.drain()
    draw_on(clinic, second, "drawn.png")
    clinic.drain()
    assert len(clinic.comparisons()) == 2
    draw_on(clinic, second, None)
    clinic.drain()
    assert len(clinic.comparisons()) == 3
    outlines = clinic.behind.execute(text("SELECT outline_id FROM visit_measures")).scalars()
    assert sorted(outline is None for outline in outlines) == [False, True, True]


@pytest.mark.parametrize("spacing", [1e-9, 1e6, 0.5])
def test_a_spacing_that_cannot_be_true_counts_as_unknown(clinic: Clinic, monkeypatch: pytest.MonkeyPatch, spacing: float) -> None:
    figures, scales = Figures(), []

    def measure(*_: object, scale: object, **__: object) -> Any:
        scales.append(scale)
        return figures.measure()

    monkeypatch.setattr(lesion_work, "measure_visit", measure)
    monkeypatch.setattr(lesion_work, "compare", figures.compare)
    monkeypatch.setattr(trail_alerts, "fired", trails.fired)
    clinic.visit(pixel_spacing_mm=spacing)
    clinic.visit(day=30, pixel_spacing_mm=0.02)
    clinic.drain()
    believed = [scale is not None for scale in scales]
    assert believed == [0.001 < spacing < 1.0, True]


def draw_on(clinic: Clinic, case_id: UUID, key: str | None) -> None:
    tenants, logins = [clinic.portal.tenant_id], clinic.portal.logins
    image_id = clinic.behind.execute(text("SELECT id FROM images WHERE case_id = :id"), {"id": case_id}).scalar_one()
    if key:
        clinic.store.put(key, encode_png(draw(seed=2, kind=Kind.NAEVUS, width=320, height=240).mask), "image/png")
    with logins.review.transaction(tenants=tenants) as session:
        about = {"tenant_ids": tenants, "case_id": case_id, "image_id": image_id}
        outline = record_outline(session=session, **about, user_id=clinic.portal.user_id, mask_key=key)
    if key:
        with logins.worker.transaction() as session:
            store_measures(session=session, outline_id=outline, measures={"area_px": 1.0})
