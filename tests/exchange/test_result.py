"""What a decided case says, from the records: when there is a result, of which decision, and what it leaves out."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, event, text

from services.exchange.result import CaseResult, load_result
from services.objects import ObjectStore
from services.records import reading
from services.records.audit import Actor
from services.records.database import Database
from services.records.errors import CaseNotFound, NotDecided
from services.records.registry import register_model_version
from services.records.reviews import record_review, undo_review
from services.records.states import Decision, Management, ModelKind, ReviewKind, Role
from tests.conftest import SettingsFor
from tests.review.seeds import MELANOMA, Clinic, Failed, Seen, finding
from tests.review.trail_seeds import growing

ROLES = ("owner", "intake", "worker", "review")


@pytest.fixture(scope="module")
def databases(settings_for: SettingsFor) -> Iterator[dict[str, Database]]:
    made = {role: Database.connect(settings_for(role)) for role in ROLES}
    yield made
    for database in made.values():
        database.close()


@pytest.fixture
def clinic(databases: dict[str, Database], settings_for: SettingsFor, clean_database: None) -> Clinic:
    store = ObjectStore.connect(settings_for("intake"))
    return Clinic(owner=databases["owner"], intake=databases["intake"], worker=databases["worker"], store=store)


@pytest.fixture
def tenant(clinic: Clinic) -> UUID:
    return clinic.tenant()


class Readers:
    """Decides cases as the desk does, and lets time pass."""

    def __init__(self, clinic: Clinic, desk: Database, engine: Engine, tenant: UUID) -> None:
        self.clinic, self.desk, self.engine, self.tenant = clinic, desk, engine, tenant
        self.people = {
            name: clinic.user(tenant, email=f"{name}@clinic.example", name=f"Dr {name}", role=role)
            for name, role in (("ann", Role.DERMATOLOGIST), ("bo", Role.DERMATOLOGIST), ("lee", Role.LEAD))
        }

    def decide(self, case_id: UUID, who: str = "ann", **said: Any) -> UUID:
        values = {"decision": Decision.CONFIRM, "diagnosis": "MEL", "reason": None, "note": "", "shown": {}, **said}
        with self.desk.transaction(tenants=[self.tenant]) as session:
            return record_review(session=session, tenant_ids=[self.tenant], case_id=case_id, user_id=self.people[who], **values)

    def take_back(self, case_id: UUID, review_id: UUID, who: str = "ann") -> None:
        with self.desk.transaction(tenants=[self.tenant]) as session:
            undo_review(session=session, tenant_ids=[self.tenant], case_id=case_id, user_id=self.people[who], review_id=review_id)

    def wait(self, seconds: float = reading.UNDO_SECONDS + 0.1) -> None:
        self.behind(f"UPDATE reviews SET created_at = created_at - make_interval(secs => {seconds})")

    def behind(self, statement: str) -> None:
        with self.engine.begin() as connection:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            connection.execute(text(statement))

    def result(self, case_id: UUID, tenant: UUID | None = None, login: str = "intake") -> CaseResult:
        database = self.clinic.intake if login == "intake" else self.desk
        whose = tenant or self.tenant
        with database.transaction(tenants=[whose]) as session:
            return load_result(session=session, tenant_id=whose, case_id=case_id)


@pytest.fixture
def readers(clinic: Clinic, databases: dict[str, Database], superuser_engine: Engine, tenant: UUID) -> Readers:
    return Readers(clinic, databases["review"], superuser_engine, tenant)


def test_a_case_without_a_decision_has_no_result(clinic: Clinic, tenant: UUID, readers: Readers) -> None:
    with pytest.raises(NotDecided) as told:
        readers.result(clinic.case(tenant, Seen(MELANOMA)))
    assert told.value.left is None
    with pytest.raises(CaseNotFound):
        readers.result(uuid4())


def test_a_decision_that_can_be_taken_back_makes_no_result_yet(clinic: Clinic, tenant: UUID, readers: Readers) -> None:
    case_id = clinic.case(tenant, Seen(MELANOMA))
    taken = readers.decide(case_id)
    with pytest.raises(NotDecided) as told:
        readers.result(case_id)
    assert told.value.left is not None
    assert 0 < told.value.left.total_seconds() <= reading.UNDO_SECONDS
    readers.take_back(case_id, taken)
    readers.wait()
    with pytest.raises(NotDecided) as told:
        readers.result(case_id)
    assert told.value.left is None


def test_another_portals_case_looks_like_none(clinic: Clinic, tenant: UUID, readers: Readers) -> None:
    case_id = clinic.case(tenant, Seen(MELANOMA))
    readers.decide(case_id)
    readers.wait()
    with pytest.raises(CaseNotFound):
        readers.result(case_id, tenant=clinic.tenant("Other", "other"))


@pytest.mark.parametrize("login", ["intake", "review"])
def test_a_decided_case_has_a_result_of_version_one(clinic: Clinic, tenant: UUID, readers: Readers, login: str) -> None:
    case_id = clinic.case(tenant, Seen(MELANOMA, spacing=0.02), Failed("broken"), laterality="left")
    taken = readers.decide(case_id, management=Management.URGENT_REFERRAL, note="Soon.")
    readers.wait()
    found = readers.result(case_id, login=login)
    assert (found.version, found.decision.id, found.decision.reviewer) == (1, taken, "Dr ann")
    assert [read.id for read in found.reads] == [taken]
    assert found.lead.analysis is not None
    assert found.mask_key == found.lead.analysis.mask_key
    assert (found.mm_per_px, found.outlined_by, found.trail) == (0.02, None, None)
    in_px = MELANOMA["measures"]
    area, across = in_px["area_px"] * 0.02**2, in_px["major_diameter_px"] * 0.02
    assert found.measures == {**in_px, "area_mm2": area, "major_diameter_mm": across, "scale_source": "stated"}
    assert (found.case.portal, found.case.body_site, found.case.laterality) == ("Portal A", "back", "left")


def test_each_amendment_is_a_version_and_what_was_taken_back_is_none(clinic: Clinic, tenant: UUID, readers: Readers) -> None:
    case_id = clinic.case(tenant, Seen(MELANOMA))
    readers.take_back(case_id, readers.decide(case_id, diagnosis="NV", decision=Decision.CORRECT))
    first = readers.decide(case_id)
    readers.wait()
    amended = readers.decide(
        case_id, diagnosis="BCC", decision=Decision.CORRECT, kind=ReviewKind.AMENDMENT, amends=first, rationale="Histology."
    )
    with pytest.raises(NotDecided):
        readers.result(case_id)
    readers.wait()
    found = readers.result(case_id)
    assert [version.id for version in found.versions] == [first, amended]
    assert (found.version, found.decision.id) == (2, amended)
    assert [read.id for read in found.reads] == [first]


def test_a_case_read_twice_waits_for_the_second_read_and_names_both(clinic: Clinic, tenant: UUID, readers: Readers) -> None:
    readers.behind("UPDATE tenants SET second_read_share = 1")
    case_id = clinic.case(tenant, Seen(MELANOMA))
    first = readers.decide(case_id)
    readers.wait()
    with pytest.raises(NotDecided):
        readers.result(case_id)
    second = readers.decide(case_id, "bo", kind=ReviewKind.SECOND)
    readers.wait()
    found = readers.result(case_id)
    assert [read.id for read in found.reads] == [first, second]
    assert (found.decision.id, found.version) == (second, 1)


def test_a_disagreement_is_settled_before_there_is_a_result(clinic: Clinic, tenant: UUID, readers: Readers) -> None:
    readers.behind("UPDATE tenants SET second_read_share = 1")
    case_id = clinic.case(tenant, Seen(MELANOMA))
    reads = [readers.decide(case_id), readers.decide(case_id, "bo", kind=ReviewKind.SECOND, diagnosis="NV", decision=Decision.CORRECT)]
    readers.wait()
    with pytest.raises(NotDecided):
        readers.result(case_id)
    reads.append(readers.decide(case_id, "lee", kind=ReviewKind.ADJUDICATION, rationale="Streaks."))
    readers.wait()
    assert [read.id for read in readers.result(case_id).reads] == reads
    readers.decide(
        case_id, "lee", kind=ReviewKind.AMENDMENT, amends=reads[-1], rationale="Again.", diagnosis="NV", decision=Decision.CORRECT
    )
    readers.wait()
    assert [read.id for read in readers.result(case_id).reads] == reads


def test_a_result_shows_the_answer_that_was_decided_on_and_no_later_one(clinic: Clinic, tenant: UUID, readers: Readers) -> None:
    case_id = clinic.case(tenant, Seen(MELANOMA))
    seen = _analyses(readers, case_id)[0]
    image_id = _scalar(readers, "SELECT id FROM images")
    readers.decide(case_id, shown={"images": [{"image_id": str(image_id), "analysis_id": str(seen)}]})
    readers.wait()
    later = finding({"NV": 0.9})
    readers.behind(
        "INSERT INTO analyses (id, tenant_id, image_id, job_id, pipeline_version, outcome, classes, top_class, top_probability, "
        "malignant_probability, flags, finding) SELECT gen_random_uuid(), tenant_id, image_id, job_id, 'p2', outcome, '{NV}', 'NV', 0.9, "
        f"{later['malignant_probability']}, flags, finding FROM analyses"
    )
    assert len(_analyses(readers, case_id)) == 2
    found = readers.result(case_id)
    assert found.lead.analysis is not None
    assert (found.lead.analysis.id, found.lead.analysis.top_class) == (seen, "MEL")


def test_a_picture_that_had_no_answer_then_has_none_in_the_result(clinic: Clinic, tenant: UUID, readers: Readers) -> None:
    case_id = clinic.case(tenant, Seen(MELANOMA))
    image_id = _scalar(readers, "SELECT id FROM images")
    readers.decide(case_id, shown={"images": [{"image_id": str(image_id), "state": "failed"}]})
    readers.wait()
    assert readers.result(case_id).lead.analysis is None


def test_the_trail_ends_with_the_visit_that_was_decided(clinic: Clinic, tenant: UUID, readers: Readers) -> None:
    lesion = growing(clinic, tenant)
    for case_id in lesion.cases:
        readers.decide(case_id)
    readers.wait()
    first, second, third = (readers.result(case_id).trail for case_id in lesion.cases)
    assert first is None
    assert second is not None
    assert third is not None
    assert [visit.case_id for visit in second.visits] == list(lesion.cases[:2])
    assert second.alert(lesion.cases[2]) is None
    assert third.alert(lesion.cases[2]) is not None
    assert len(third.comparisons) == 2
    assert third.comparison(*lesion.cases[1:]) is not None
    assert [answer.case_id for answer in second.sequence] == [lesion.cases[1]]


def test_the_models_that_answered_are_named(clinic: Clinic, tenant: UUID, readers: Readers) -> None:
    with clinic.worker.transaction() as session:
        for kind, digest in ((ModelKind.SEGMENTER, "5f0c2a71"), (ModelKind.CLASSIFIER, "9be4d310")):
            card = {"licence": "CC-BY-NC-4.0"}
            register_model_version(
                session=session,
                kind=kind,
                digest=digest * 8,
                name=kind.value,
                version="1",
                card=card,
                actor=Actor.system("w"),
                reason="new",
            )
    case_id = clinic.case(tenant, Seen(MELANOMA))
    readers.decide(case_id)
    readers.wait()
    assert [(model.name, model.licence) for model in readers.result(case_id).models] == [
        ("segmenter", "CC-BY-NC-4.0"),
        ("classifier", "CC-BY-NC-4.0"),
    ]


def test_a_result_costs_a_fixed_number_of_statements(clinic: Clinic, tenant: UUID, readers: Readers) -> None:
    counts = []
    for areas in ((31.0, 36.0), (31.0, 36.0, 43.0, 50.0)):
        lesion = growing(clinic, tenant, areas, reference=f"L-{len(areas)}")
        for case_id in lesion.cases:
            readers.decide(case_id)
        readers.wait()
        seen: list[str] = []

        def note(_: object, __: object, statement: str, *___: object, seen: list[str] = seen) -> None:
            seen.append(statement)

        event.listen(clinic.intake.engine, "before_cursor_execute", note)
        readers.result(lesion.cases[-1])
        event.remove(clinic.intake.engine, "before_cursor_execute", note)
        counts.append(len(seen))
    assert counts[0] == counts[1] <= 10


def _analyses(readers: Readers, case_id: UUID) -> list[UUID]:
    query = "SELECT a.id FROM analyses a JOIN images i ON i.id = a.image_id WHERE i.case_id = :case"
    with readers.engine.connect() as connection:
        return list(connection.execute(text(query), {"case": case_id}).scalars())


def _scalar(readers: Readers, query: str) -> Any:
    with readers.engine.connect() as connection:
        return connection.execute(text(query)).scalar_one()
