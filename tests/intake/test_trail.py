"""What portals read of lesions over time: patients, visits, changes, follow-ups, events."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from apiflask import APIFlask
from sqlalchemy import Engine, text

from services.records.follow_ups import follow_up_day
from services.records.lesions import merge_lesions
from services.records.states import Management
from services.records.tables import Alert, Comparison, SequenceAnswer, VisitMeasure
from tests.intake.conftest import Backstage, Portal, Sender

LATER: dict[str, Any] = {"management": Management.FOLLOW_UP, "follow_up_months": 3}
UNKNOWN = "00000000-0000-4000-8000-000000000000"


@dataclass(frozen=True)
class Trail:
    """Sends visits of lesions, and lets happen what happens behind the API."""

    sender: Sender
    backstage: Backstage
    engine: Engine
    picture: bytes

    @property
    def portal(self) -> Portal:
        return self.sender.portal

    def visit(self, lesion: str | None = "L-1", *, patient: str = "P-1", days_ago: float = 0, **said: Any) -> dict[str, Any]:
        """Send a case of the lesion, let it be analysed, and read it back."""
        at = datetime.now(UTC) - timedelta(days=days_ago)
        place = {"reference": lesion, "body_site": "back"} if lesion else {}
        case = {"patient": {"reference": patient}, "lesion": place, "visited_at": at.isoformat(), **said}
        answer = self.sender.post(("a.jpg", self.picture), case=case)
        assert answer.status_code == 202, answer.text
        self.backstage.analyse()
        return self.read(answer.get_json()["status_url"])

    def read(self, path: str, **query: Any) -> dict[str, Any]:
        answer = self.sender.get(path, **query)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.get_json()
        return found

    def decide(self, case: dict[str, Any], *, days_ago: float = 0, **plan: Any) -> uuid.UUID:
        """Decide a case, so many days ago."""
        user_id = self.backstage.confirm(self.portal, uuid.UUID(case["id"]), **plan)
        months = "((created_at - make_interval(secs => :past)) AT TIME ZONE 'UTC' + make_interval(months => follow_up_months))::date"
        moved = f"UPDATE reviews SET created_at = created_at - make_interval(secs => :past), follow_up_on = {months} WHERE case_id = :case"
        told = "UPDATE portal_events SET not_before = not_before - make_interval(secs => :past) WHERE subject_id = :case"
        self.behind("SET session_replication_role = replica", moved, told, past=days_ago * 86_400, case=case["id"])
        return user_id

    def merge(self, into: dict[str, Any], case: dict[str, Any], user_id: uuid.UUID) -> None:
        """Say that the lesions of two cases are one."""
        ids = {"lesion_id": uuid.UUID(into["lesion_id"]), "merged_id": uuid.UUID(case["lesion_id"])}
        with self.backstage.reviewer.transaction(tenants=[self.portal.tenant_id]) as session:
            merge_lesions(session=session, tenant_ids=[self.portal.tenant_id], user_id=user_id, reason="the same", **ids)

    def behind(self, *statements: str, **values: Any) -> Any:
        with self.engine.begin() as connection:
            for statement in statements:
                answer = connection.execute(text(statement), values)
            return answer.all() if answer.returns_rows else None


@pytest.fixture
def trail(sender: Sender, backstage: Backstage, superuser_engine: Engine, picture: bytes) -> Trail:
    return Trail(sender, backstage, superuser_engine, picture)


@pytest.fixture
def stranger(app: APIFlask, new_portal: Callable[[], Portal]) -> Sender:
    """Another portal."""
    return Sender(app.test_client(), new_portal())


def search(sender: Sender, reference: Any) -> Any:
    return sender.client.post("/v1/patients/search", json={"reference": reference}, headers=sender.portal.headers)


# Patients


def test_a_patient_is_found_by_the_reference_in_the_body_and_followed_by_id(trail: Trail) -> None:
    case = trail.visit(patient="P/1042 ü")
    found = search(trail.sender, "P/1042 ü").get_json()
    assert (found["id"], found["reference"]) == (case["patient_id"], "P/1042 ü")
    assert found["lesions_url"] == f"/v1/patients/{found['id']}/lesions"
    (lesion,) = trail.read(found["lesions_url"])["lesions"]
    assert (lesion["id"], lesion["tracking_uid"], lesion["reference"]) == (case["lesion_id"], case["tracking_uid"], "L-1")
    assert lesion["tracking_uid"].startswith("2.25.")


def test_an_unknown_patient_is_a_problem_that_does_not_repeat_the_reference(trail: Trail) -> None:
    answer = search(trail.sender, "P-secret")
    assert (answer.status_code, answer.get_json()["reason"]) == (404, "patient_not_found")
    assert "P-secret" not in answer.text


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"{", b'{"reference": ""}', b'{"reference": 7}', b'{"reference": "a", "name": "b"}'])
def test_a_search_that_says_nothing_is_refused(sender: Sender, body: bytes) -> None:
    headers = sender.portal.headers | {"Content-Type": "application/json"}
    answer = sender.client.post("/v1/patients/search", data=body, headers=headers)
    assert answer.status_code in (400, 422), answer.text
    assert answer.content_type == "application/problem+json"


def test_a_patients_lesions_come_page_by_page_with_their_last_visit(trail: Trail) -> None:
    for name in ("L-1", "L-2", "L-3"):
        trail.visit(name, days_ago=30)
    last = trail.visit("L-1", days_ago=1)
    path = f"/v1/patients/{last['patient_id']}/lesions"
    first = trail.read(path, limit=2)
    second = trail.read(path, limit=2, cursor=first["next_cursor"])
    assert [lesion["reference"] for lesion in (*first["lesions"], *second["lesions"])] == ["L-1", "L-2", "L-3"]
    assert second["next_cursor"] is None
    seen = first["lesions"][0]
    assert (seen["visit_count"], seen["last_case_id"], seen["body_site"]) == (2, last["id"], "back")
    assert seen["first_visit_at"] < seen["last_visit_at"] == last["visited_at"]


# Lesions


def test_a_lesion_has_its_visits_in_the_order_in_which_the_pictures_were_taken(trail: Trail) -> None:
    late, early = trail.visit(days_ago=1, reference="R-2"), trail.visit(days_ago=90, reference="R-1")
    lesion = trail.read(late["lesion_url"])
    assert [visit["reference"] for visit in lesion["visits"]] == ["R-1", "R-2"]
    visit = lesion["visits"][0]
    assert (visit["case_id"], visit["visited_at"], visit["visit_source"]) == (early["id"], early["visited_at"], "portal")
    assert (visit["status"], visit["image_id"], visit["image_count"]) == ("awaiting_review", early["images"][0]["id"], 1)
    assert trail.sender.get(visit["thumbnail_url"]).status_code == 200
    assert (lesion["patient_reference"], lesion["patient_id"]) == ("P-1", late["patient_id"])
    assert lesion["last_case_id"] == late["id"]


def test_a_case_without_a_place_has_a_lesion_of_its_own(trail: Trail) -> None:
    one, other = trail.visit(None), trail.visit(None)
    assert one["lesion_id"] != other["lesion_id"]
    assert trail.read(one["lesion_url"])["visit_count"] == 1


def test_a_merged_lesion_leads_to_the_one_that_it_was_merged_into(trail: Trail) -> None:
    one, two, three = (trail.visit(f"L-{number}", days_ago=number) for number in (1, 2, 3))
    user_id = trail.decide(one)
    trail.merge(two, three, user_id)
    trail.merge(one, two, user_id)
    for path in ("", "/changes"):
        answer = trail.sender.get(three["lesion_url"] + path)
        assert (answer.status_code, answer.headers["Location"]) == (308, one["lesion_url"] + path)
        assert answer.get_json() == {"id": three["lesion_id"], "merged_into": one["lesion_id"], "lesion_url": one["lesion_url"]}
    assert trail.read(one["lesion_url"])["visit_count"] == 3
    assert trail.read(f"/v1/cases/{three['id']}")["lesion_id"] == one["lesion_id"]
    assert len(trail.read(f"/v1/patients/{one['patient_id']}/lesions")["lesions"]) == 1


@pytest.mark.parametrize("path", ["/v1/lesions/{}", "/v1/lesions/{}/changes", "/v1/patients/{}/lesions"])
def test_what_does_not_exist_is_a_problem(sender: Sender, path: str) -> None:
    answer = sender.get(path.format(UNKNOWN))
    assert answer.status_code == 404
    assert answer.get_json()["reason"] == ("patient_not_found" if "patients" in path else "lesion_not_found")


def test_another_portal_finds_nothing_of_it(trail: Trail, stranger: Sender) -> None:
    case = trail.visit()
    trail.decide(case, days_ago=100, **LATER)
    paths = [case["lesion_url"], f"{case['lesion_url']}/changes", f"/v1/patients/{case['patient_id']}/lesions"]
    assert {stranger.get(path).status_code for path in paths} == {404}
    assert search(stranger, "P-1").status_code == 404
    assert stranger.get("/v1/follow-ups").get_json()["follow_ups"] == []
    assert stranger.get("/v1/events").get_json()["events"] == []


# Changes

CHANGE: dict[str, Any] = {
    "changes": {
        "area": {
            "absolute": 12.0,
            "relative": 0.38,
            "error": 0.06,
            "per_month": 0.1,
            "unit": "mm²",
            "significant": True,
            "earlier": 31.0,
            "later": 43.0,
        }
    },
    "basis": "mm",
    "months": 4.0,
    "notes": ["One scale was stated by the portal."],
    "new_classes": ["MEL"],
    "lower_bound": False,
}


RULE = {"rule": "growth", "text": "area grew", "value": 0.38, "error": 0.06, "threshold": 0.2}


@pytest.fixture
def compared(trail: Trail) -> list[dict[str, Any]]:
    """Three visits: the second compared with the first, twice, the third not comparable; an alert and the sequence model's answer."""
    cases = [trail.visit(days_ago=days) for days in (240, 120, 1)]
    tenant = trail.portal.tenant_id
    images = [uuid.UUID(case["images"][0]["id"]) for case in cases]
    later_case = {"tenant_id": tenant, "case_id": uuid.UUID(cases[1]["id"])}
    rows = [
        comparison(trail, cases[:2], basis="old", changes=CHANGE | {"months": 99.0}, age=timedelta(days=1)),
        comparison(trail, cases[:2], basis="new", changes=CHANGE),
        comparison(trail, cases[1:], basis="new", why="blurred"),
        VisitMeasure(tenant_id=tenant, image_id=images[0], version="m1", measures={"scale_source": "dicom"}),
        VisitMeasure(tenant_id=tenant, image_id=images[1], version="m1", measures={"scale_source": None}),
        Alert(**later_case, headline="grew 38 % ± 6", rules={"fired": [RULE], "months": 4.0}, rule_version="r1"),
        SequenceAnswer(
            **later_case, image_ids=images[:2], digest="d1", visits=2, malignant_probability=0.7, progressing_probability=0.6, details={}
        ),
    ]
    with trail.backstage.owner.transaction(tenants=[tenant]) as session:
        session.add_all(rows)
    return cases


def comparison(
    trail: Trail, pair: list[dict[str, Any]], *, age: timedelta = timedelta(), why: str | None = None, **said: Any
) -> Comparison:
    """What the worker would write about two visits."""
    earlier, later = pair
    return Comparison(
        tenant_id=trail.portal.tenant_id,
        created_at=datetime.now(UTC) - age,
        earlier_case_id=uuid.UUID(earlier["id"]),
        later_case_id=uuid.UUID(later["id"]),
        earlier_image_id=uuid.UUID(earlier["images"][0]["id"]),
        later_image_id=uuid.UUID(later["images"][0]["id"]),
        valid=why is None,
        version="c1",
        **said,
        **({"why": why} if why else {"registration": {"quality": 0.9}}),
    )


def test_changes_carry_errors_scale_and_reasons(trail: Trail, compared: list[dict[str, Any]]) -> None:
    found = trail.read(f"{compared[0]['lesion_url']}/changes")
    valid, invalid = found["comparisons"]
    assert (valid["valid"], valid["basis"], valid["months"], valid["new_classes"]) == (True, "mm", 4.0, ["MEL"])
    assert valid["changes"]["area"] == CHANGE["changes"]["area"]
    assert (valid["earlier"]["case_id"], valid["earlier"]["scale_source"]) == (compared[0]["id"], "dicom")
    assert (valid["later"]["visited_at"], valid["later"]["scale_source"]) == (compared[1]["visited_at"], None)
    assert (invalid["valid"], invalid["why"], invalid["changes"], invalid["registration"]) == (False, "blurred", None, None)


def test_alerts_name_the_rules_and_the_sequence_model_its_pictures(trail: Trail, compared: list[dict[str, Any]]) -> None:
    found = trail.read(f"{compared[0]['lesion_url']}/changes")
    (alert,) = found["alerts"]
    assert (alert["case_id"], alert["headline"], alert["rule_version"]) == (compared[1]["id"], "grew 38 % ± 6", "r1")
    assert alert["rules"] == [RULE]
    (answer,) = found["sequence"]
    assert (answer["malignant_probability"], answer["progressing_probability"]) == (0.7, 0.6)
    assert answer["image_ids"] == [case["images"][0]["id"] for case in compared[:2]]


def test_changes_say_that_a_dermatologist_decides_and_which_cases_are_decided(trail: Trail, compared: list[dict[str, Any]]) -> None:
    trail.decide(compared[0])
    found = trail.read(f"{compared[0]['lesion_url']}/changes")
    assert "a dermatologist decides" in found["statement"]
    assert "Decision support" in found["disclaimer"]
    first = found["comparisons"][0]
    assert (first["earlier"]["status"], first["later"]["status"]) == ("reviewed", "awaiting_review")


# Follow-ups


def test_the_decision_names_the_day_and_the_lesion_what_is_awaited(trail: Trail) -> None:
    case = trail.visit(days_ago=3)
    trail.decide(case, days_ago=1, **LATER)
    decision = trail.read(f"/v1/cases/{case['id']}")["decision"]
    day = follow_up_day(decided_at=datetime.now(UTC) - timedelta(days=1), months=3)
    assert (decision["follow_up_months"], decision["follow_up_on"]) == (3, day.isoformat())
    assert trail.read(case["lesion_url"])["follow_up"] == {"case_id": case["id"], "follow_up_on": day.isoformat(), "state": "upcoming"}
    trail.visit()
    assert trail.read(case["lesion_url"])["follow_up"] is None


@pytest.fixture
def states(trail: Trail) -> dict[str, dict[str, Any]]:
    """One case of each state of a follow-up."""
    ages = {"upcoming": 30, "due": 95, "overdue": 200, "fulfilled": 150}
    cases = {}
    for state, days in ages.items():
        cases[state] = trail.visit(state, patient=state, days_ago=days + 1)
        trail.decide(cases[state], days_ago=days, **LATER)
    trail.visit("fulfilled", patient="fulfilled")
    return cases


def test_follow_ups_are_listed_by_state(trail: Trail, states: dict[str, dict[str, Any]]) -> None:
    for state, case in states.items():
        (line,) = trail.read("/v1/follow-ups", state=state)["follow_ups"]
        assert (line["case_id"], line["state"], line["patient_reference"], line["lesion_reference"]) == (case["id"], state, state, state)
        assert (line["fulfilled_by"] is not None) == (state == "fulfilled")
        assert trail.sender.get(line["case_url"]).status_code == trail.sender.get(line["lesion_url"]).status_code == 200


def test_open_follow_ups_come_the_longest_awaited_first_page_by_page(trail: Trail, states: dict[str, dict[str, Any]]) -> None:
    first = trail.read("/v1/follow-ups", limit=2)
    second = trail.read("/v1/follow-ups", limit=2, cursor=first["next_cursor"])
    assert [line["state"] for line in (*first["follow_ups"], *second["follow_ups"])] == ["overdue", "due", "upcoming"]
    assert second["next_cursor"] is None
    tomorrow = (date.today() + timedelta(days=1)).isoformat()  # noqa: DTZ011
    assert len(trail.read("/v1/follow-ups", due_before=tomorrow)["follow_ups"]) == 2


def test_a_decision_that_may_be_taken_back_is_not_told_yet(trail: Trail) -> None:
    case = trail.visit()
    trail.decide(case, **LATER)
    assert trail.read("/v1/follow-ups")["follow_ups"] == []
    assert trail.read(case["lesion_url"])["follow_up"] is None


@pytest.mark.parametrize("query", [{"state": "late"}, {"due_before": "soon"}, {"cursor": "x"}, {"limit": 0}, {"since": "2026"}])
def test_a_wrong_question_is_refused_in_words(sender: Sender, query: dict[str, Any]) -> None:
    answer = sender.get("/v1/follow-ups", **query)
    assert (answer.status_code, answer.get_json()["reason"]) == (422, "invalid_fields")


# Events


def test_a_merge_is_told_once_to_who_keeps_the_cursor(trail: Trail) -> None:
    one, two = trail.visit("L-1", days_ago=2), trail.visit("L-2")
    before = trail.read("/v1/events")
    assert ([event["kind"] for event in before["events"]], before["more"]) == (["case.analysed", "case.analysed"], False)
    trail.merge(one, two, trail.decide(one, days_ago=1))
    told = trail.read("/v1/events", cursor=before["next_cursor"])
    decided, event = told["events"]
    assert decided["kind"] == "case.reviewed"
    assert (event["kind"], event["subject_kind"], event["subject_id"]) == ("lesion.merged", "lesion", one["lesion_id"])
    assert trail.read("/v1/events", cursor=told["next_cursor"])["events"] == []
    assert trail.read("/v1/events", kind="followup.due")["events"] == []
    assert trail.sender.get("/v1/events", kind="lesion.lost").status_code == 422


def test_every_reading_is_audited(trail: Trail) -> None:
    case = trail.visit()
    trail.decide(case, days_ago=100, **LATER)
    search(trail.sender, "P-1")
    for path in (f"/v1/patients/{case['patient_id']}/lesions", case["lesion_url"], f"{case['lesion_url']}/changes", "/v1/follow-ups"):
        trail.read(path)
    rows = trail.behind("SELECT action FROM audit_events WHERE actor_kind = 'portal' AND action NOT LIKE 'case%' ORDER BY sequence")
    assert [row.action for row in rows] == ["patient.read", "lesions.listed", "lesion.read", "lesion.read", "follow_ups.listed"]
