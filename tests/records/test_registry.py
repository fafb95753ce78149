"""The registry of model versions: one champion of each kind, every step with its reason, nobody can write past it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, ProgrammingError

from services.records import registry
from services.records.audit import Actor, verify_chain
from services.records.database import Database
from services.records.errors import InvalidRecord, ModelNotFound, WrongModelState
from services.records.registry import ModelVersionView
from services.records.states import ModelAction, ModelKind, ModelState
from tests.records.worlds import Logins

WORKER, LEAD = Actor.system("worker-1"), Actor.system("dermatrail:lead")
CARD = {"licence": "CC0-1.0", "non_commercial": False}
CLASSIFIER = ModelKind.CLASSIFIER
Step = Callable[..., ModelVersionView]


class Registry:
    """The registry as a worker and an administrator use it."""

    def __init__(self, logins: Logins) -> None:
        self.logins = logins

    def add(self, digest: str, kind: ModelKind = CLASSIFIER) -> ModelVersionView:
        with self.logins.worker.transaction() as session:
            return registry.register_model_version(
                session=session, kind=kind, digest=digest * 12, name="Net", version="1", card=CARD, actor=WORKER, reason="found"
            )

    def step(self, step: Step, version: ModelVersionView, reason: str = "better") -> ModelVersionView:
        with self.logins.owner.transaction() as session:
            return step(session=session, version_id=version.id, actor=LEAD, reason=reason)

    def rollback(self, kind: ModelKind = CLASSIFIER) -> ModelVersionView:
        with self.logins.owner.transaction() as session:
            return registry.rollback(session=session, kind=kind, actor=LEAD, reason="worse")

    def states(self) -> dict[str, ModelState]:
        with self.logins.review.transaction() as session:
            return {version.digest[0]: version.state for version in registry.list_model_versions(session=session)}

    def champion(self, kind: ModelKind = CLASSIFIER) -> str:
        with self.logins.worker.transaction() as session:
            (only,) = registry.list_model_versions(session=session, kind=kind, states=[ModelState.CHAMPION])
        return only.digest[0]


@pytest.fixture
def models(clean_database: None, logins: Logins) -> Registry:
    return Registry(logins)


def test_the_first_of_each_kind_serves_and_later_ones_are_candidates(models: Registry) -> None:
    models.add("a")
    models.add("b")
    models.add("c", ModelKind.SEGMENTER)
    assert models.states() == {"a": ModelState.CHAMPION, "b": ModelState.CANDIDATE, "c": ModelState.CHAMPION}
    with models.logins.owner.transaction() as session:
        assert [event.reason for event in registry.history(session=session)] == ["first start", "found", "first start"]


def test_registering_again_changes_nothing(models: Registry) -> None:
    first = models.add("a")
    models.step(registry.promote, models.add("b"))
    assert models.add("a").id == first.id
    assert models.states() == {"a": ModelState.RETIRED, "b": ModelState.CHAMPION}


def test_the_same_digest_may_be_of_both_kinds(models: Registry) -> None:
    assert models.add("a").id != models.add("a", ModelKind.SEGMENTER).id


def test_workers_that_start_together_crown_one(models: Registry) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(models.add, "abababab"))
    assert sorted(models.states().values()) == [ModelState.CANDIDATE, ModelState.CHAMPION]


def test_a_promotion_retires_the_champion_with_the_same_reason(models: Registry) -> None:
    models.add("a")
    promoted = models.step(registry.promote, models.add("b"), "two points better on melanoma")
    assert (promoted.state, models.champion()) == (ModelState.CHAMPION, "b")
    with models.logins.owner.transaction() as session:
        events = registry.history(session=session, kind=CLASSIFIER)[-2:]
    assert [(event.digest[0], event.action, event.from_state, event.to_state) for event in events] == [
        ("a", ModelAction.RETIRED, ModelState.CHAMPION, ModelState.RETIRED),
        ("b", ModelAction.PROMOTED, ModelState.CANDIDATE, ModelState.CHAMPION),
    ]
    assert {(event.reason, event.actor_id) for event in events} == {("two points better on melanoma", "dermatrail:lead")}


def test_a_promotion_leaves_the_other_kind_alone(models: Registry) -> None:
    models.add("d", ModelKind.SEGMENTER)
    models.add("a")
    models.step(registry.promote, models.add("b"))
    assert models.champion(ModelKind.SEGMENTER) == "d"


def test_of_two_promotions_at_once_one_wins_or_both_follow_each_other(models: Registry) -> None:
    models.add("a")
    versions = [models.add(digest) for digest in "bcdef"]

    def try_to(version: ModelVersionView) -> bool:
        try:
            models.step(registry.promote, version)
        except WrongModelState:
            return False
        return True

    with ThreadPoolExecutor(5) as pool:
        won = sum(pool.map(try_to, versions))
    states = list(models.states().values())
    assert states.count(ModelState.CHAMPION) == 1
    assert states.count(ModelState.RETIRED) == won >= 1


def test_a_promotion_that_was_decided_on_old_news_is_refused(models: Registry) -> None:
    models.add("a")
    second, third = models.add("b"), models.add("c")
    with models.logins.owner.transaction() as session:
        session.execute(text("SELECT 1"))
        slow = registry.get_model_version(session=session, version_id=third.id)
        models.step(registry.retire, third)
        with pytest.raises(WrongModelState, match="Somebody else"):
            registry._swap(session, slow.id, slow.state, registry._Step(ModelAction.PROMOTED, ModelState.CHAMPION, LEAD, "late"))
    assert models.step(registry.promote, second).state is ModelState.CHAMPION


def test_rolling_back_undoes_promotions_one_by_one(models: Registry) -> None:
    models.add("a")
    for digest in "bc":
        models.step(registry.promote, models.add(digest))
    assert models.rollback().digest[0] == "b"
    assert models.rollback().digest[0] == "a"
    with pytest.raises(WrongModelState, match="no earlier classifier"):
        models.rollback()
    models.step(registry.promote, models.add("c"))
    assert models.rollback().digest[0] == "a"


def test_a_shadow_can_be_promoted_or_retired_and_a_retired_version_can_return(models: Registry) -> None:
    models.add("a")
    version = models.add("b")
    assert models.step(registry.shadow, version).state is ModelState.SHADOW
    with pytest.raises(WrongModelState, match="shadow already"):
        models.step(registry.shadow, version)
    assert models.step(registry.retire, version).state is ModelState.RETIRED
    assert models.step(registry.shadow, version).state is ModelState.SHADOW
    assert models.step(registry.promote, version).state is ModelState.CHAMPION


@pytest.mark.parametrize("step", [registry.shadow, registry.retire])
def test_a_champion_leaves_only_by_the_promotion_of_another(models: Registry, step: Step) -> None:
    champion = models.add("a")
    with pytest.raises(WrongModelState, match="promote another classifier first"):
        models.step(step, champion)


def test_promoting_the_champion_is_refused(models: Registry) -> None:
    with pytest.raises(WrongModelState, match="champion already"):
        models.step(registry.promote, models.add("a"))


@pytest.mark.parametrize("step", [registry.promote, registry.shadow, registry.retire])
def test_every_step_needs_a_reason_and_a_version(models: Registry, step: Step) -> None:
    models.add("a")
    version = models.add("b")
    with pytest.raises(InvalidRecord, match="reason"):
        models.step(step, version, "  ")
    with pytest.raises(ModelNotFound), models.logins.owner.transaction() as session:
        step(session=session, version_id=UUID(int=1), actor=LEAD, reason="x")
    assert models.states()["b"] is ModelState.CANDIDATE


def test_a_version_is_found_by_the_beginning_of_its_digest(models: Registry) -> None:
    models.add("a")
    models.add("ab")
    with models.logins.owner.transaction() as session:
        assert registry.find_model_version(session=session, digest="ab").digest == "ab" * 12
        for wrong, said in (("a", "More than one"), ("f", "no model version"), ("", "no model version")):
            with pytest.raises(ModelNotFound, match=said) as error:
                registry.find_model_version(session=session, digest=wrong)
            assert "ab" * 12 in str(error.value)


def test_each_step_is_in_the_audit_trail(models: Registry, behind: Connection) -> None:
    models.add("a")
    models.step(registry.promote, models.step(registry.shadow, models.add("b")), "not a word of this")
    models.rollback()
    rows = behind.execute(text("SELECT action, details::text FROM audit_events ORDER BY sequence")).all()
    assert [row.action.removeprefix("model.") for row in rows] == [
        *("registered", "registered", "shadowed", "retired", "promoted", "retired", "rolled_back")
    ]
    assert not [row for row in rows if "not a word" in row.details]
    with models.logins.owner.transaction() as session:
        assert verify_chain(session=session, tenant_id=None).intact


def test_a_card_says_whether_commercial_use_is_allowed_and_silence_counts_as_no(models: Registry) -> None:
    assert models.add("a").non_commercial is False
    with models.logins.owner.transaction() as session:
        silent = registry.register_model_version(
            session=session, kind=CLASSIFIER, digest="f" * 12, name="Net", version="1", card={}, actor=WORKER, reason="found"
        )
    assert silent.non_commercial is True


WRITES = {
    "promote": "UPDATE model_versions SET state = 'champion'",
    "rename": "UPDATE model_versions SET digest = 'ffffffff'",
    "forget": "DELETE FROM model_versions",
}


# The desk moves versions for leads, with a reason and a trail; what a version is, it cannot change either.
FORBIDDEN = [(role, name) for name in WRITES for role in ("intake", "review", "worker") if (role, name) != ("review", "promote")]


@pytest.mark.parametrize(("role", "name"), FORBIDDEN)
def test_no_process_may_move_or_rewrite_a_version(models: Registry, role: str, name: str) -> None:
    models.add("a")
    statement = WRITES[name]
    database: Database = getattr(models.logins, role)
    with pytest.raises(ProgrammingError, match="permission denied"), database.transaction() as session:
        session.execute(text(statement))


@pytest.mark.parametrize("state", ["champion", "shadow", "retired"])
def test_a_worker_cannot_plant_a_version_in_any_state_but_candidate(models: Registry, state: str) -> None:
    models.add("a")
    columns = "id, kind, digest, name, version, card, state"
    plant = f"INSERT INTO model_versions ({columns}) VALUES (gen_random_uuid(), 'classifier', 'ffffffff', '', '', '{{}}', '{state}')"
    with pytest.raises(DBAPIError, match="enters as a candidate"), models.logins.worker.transaction() as session:
        session.execute(text(plant))


def test_there_is_never_a_second_champion(models: Registry, behind: Connection) -> None:
    models.add("a")
    models.add("b")
    with pytest.raises(DBAPIError, match="uq_model_versions_champion"):
        behind.execute(text("UPDATE model_versions SET state = 'champion'"))


@pytest.mark.parametrize("change", ["UPDATE model_events SET reason = 'x'", "DELETE FROM model_events"])
def test_history_cannot_be_changed_even_by_the_owner(models: Registry, change: str) -> None:
    models.add("a")
    with pytest.raises(DBAPIError, match="append-only"), models.logins.owner.transaction() as session:
        session.execute(text(change))
