"""Decisions, and how a portal hears of them."""

from collections.abc import Mapping
from typing import Any

from services.client.check.bench import Bench, expect
from services.client.model import Event
from services.client.webhooks import verify_webhook

SCRIPTED = {
    "naevus": ("confirm", "NV", "discharge"),
    "melanoma": ("confirm", "MEL", "urgent_referral"),
    "corrected": ("correct", "MEL", "urgent_referral"),
    "retake": ("not_assessable", None, "retake"),
    "failed": ("correct", "NV", "discharge"),
}


def every_script_is_decided_as_it_says(bench: Bench) -> None:
    """Confirmed, corrected, not assessable, and decided without an analysis."""
    for scenario in SCRIPTED:
        bench.submit(scenario)
    for scenario, expected in SCRIPTED.items():
        decision = bench.decided(scenario).decision
        said = (decision.decision, decision.diagnosis, decision.management) if decision else None
        expect(said == expected, f"{scenario}: {expected} was expected, {said} came")


def a_failed_analysis_says_why(bench: Bench) -> None:
    """And the case was decided all the same."""
    (image,) = bench.decided("failed").images
    expect(image.state == "failed" and image.reason, f"the image is {image.state}: {image.reason}")


def a_follow_up_has_a_day(bench: Bench) -> None:
    """The day of the next visit comes with the decision."""
    decision = bench.decided("follow-up").decision
    expect(decision is not None and decision.follow_up_on, "the decision names no day for the next visit")


def events_are_told_once_and_in_order(bench: Bench) -> None:
    """By the cursor: analysed and reviewed for a decided case, failed, and the request for a new picture."""
    wanted = {
        ("case.analysed", "melanoma"),
        ("case.reviewed", "melanoma"),
        ("case.failed", "failed"),
        ("image.retake_requested", "retake"),
    }
    names = {case_id: scenario for scenario, case_id in bench.cases.items()}
    seen: list[Event] = []

    def look() -> bool | None:
        page = bench.client.events(cursor=bench.cursor)
        bench.cursor = page.cursor
        seen.extend(page.events)
        told = {(event.kind, names[case_id]) for event in seen if (case_id := _case(event)) in names}
        return True if wanted <= told else None

    bench.wait(look, f"not all of {sorted(kind for kind, _ in wanted)} were told")
    expect(len({event.id for event in seen}) == len(seen), "an event was told twice by the cursor")


def webhooks_come_signed(bench: Bench) -> None:
    """A test message reaches the receiver, signed by the secret that was shown once, and the log says so."""
    if bench.receiver is None:
        return
    made = bench.bare.post("/v1/webhooks", json={"url": bench.receiver.url, "description": f"check {bench.run}"})
    expect(made.status_code == 201, f"the webhook was not made: {made.status_code} {made.text[:300]}")
    webhook: Mapping[str, Any] = made.json()
    bench.webhook = f"/v1/webhooks/{webhook['id']}"
    try:
        ping = bench.bare.post(f"{bench.webhook}/ping").json()
        headers, body = bench.wait(lambda: _came(bench, ping["event_id"]), "the test message did not come")
        message = verify_webhook(body=body, headers=headers, secrets=webhook["secret"])
        expect(message.data.get("type") == "webhook.ping", f"the test message is {message.data.get('type')}")
        bench.wait(lambda: True if _delivered(bench) else None, "the log does not say that the test message was taken")
    finally:
        bench.bare.delete(bench.webhook)


def _case(event: Event) -> Any:
    return event.subject_id if event.subject_kind == "case" else None


def _came(bench: Bench, event_id: str) -> tuple[Mapping[str, str], bytes] | None:
    came = bench.receiver.came if bench.receiver else []
    for headers, body in came:
        if {name.lower(): value for name, value in headers.items()}.get("webhook-id") == event_id:
            return headers, body
    return None


def _delivered(bench: Bench) -> bool:
    page = bench.bare.get(f"{bench.webhook}/deliveries", params={"state": "delivered"}).json()
    return bool(page["deliveries"])
