"""All checks in their order."""

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from services.client.check import answers, documents, submitting
from services.client.check.bench import Bench, CheckFailed
from services.client.check.receiver import Receiver
from services.client.client import Client
from services.client.errors import DermatrailError

__all__ = ["CHECKS", "Check", "CheckFailed", "Outcome", "run_checks"]

# Without these the others say nothing.
FIRST = 2


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must be so. ``run`` raises CheckFailed, or what the client raises."""

    name: str
    run: Callable[[Bench], None]

    @classmethod
    def of(cls, run: Callable[[Bench], None]) -> "Check":
        """Named as its function."""
        return cls(run.__name__.replace("_", " "), run)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a check. ``fault`` None: it passed."""

    name: str
    fault: str | None
    seconds: float


CHECKS: tuple[Check, ...] = tuple(
    Check.of(run)
    for run in (
        submitting.the_service_answers,
        submitting.the_key_opens_a_sandbox,
        submitting.a_wrong_key_is_refused,
        submitting.a_case_is_accepted,
        submitting.the_same_request_again_is_the_same_case,
        submitting.one_key_for_two_requests_is_refused,
        submitting.a_file_that_was_cut_off_is_refused,
        submitting.a_file_that_is_no_picture_is_refused,
        submitting.a_large_file_can_be_put_into_the_store,
        submitting.the_case_is_analysed,
        answers.every_script_is_decided_as_it_says,
        answers.a_failed_analysis_says_why,
        answers.a_follow_up_has_a_day,
        submitting.lists_have_every_case_once,
        submitting.what_is_not_ours_is_not_found,
        answers.events_are_told_once_and_in_order,
        answers.webhooks_come_signed,
        documents.the_report_is_the_same_every_time,
        documents.fhir_tells_the_same,
        documents.dicomweb_has_the_outline_and_the_measures,
        documents.an_erased_patient_is_gone,
    )
)


def run_checks(
    *,
    url: str,
    key: str,
    receiver: Receiver | None,
    told: Callable[[Outcome], None],
    checks: Sequence[Check] = CHECKS,
    patience: float = 90,
) -> list[Outcome]:
    """Run the checks against a sandbox, and return what came of each; without a receiver, that of webhooks is left out.

    Args:
        told: is called with each outcome as it comes.
        patience: seconds that one thing may take.
    """
    wanted = [check for check in checks if receiver is not None or check.run is not answers.webhooks_come_signed]
    outcomes: list[Outcome] = []
    headers = {"Authorization": f"Bearer {key}"}
    with (
        tempfile.TemporaryDirectory() as folder,
        Client(url, key) as client,
        httpx.Client(base_url=url.rstrip("/"), headers=headers, timeout=60) as bare,
    ):
        bench = Bench(client, bare, Path(folder), receiver, patience)
        for number, check in enumerate(wanted, 1):
            outcomes.append(_outcome(check, bench))
            told(outcomes[-1])
            if outcomes[-1].fault and number <= FIRST:
                break
    return outcomes


def _outcome(check: Check, bench: Bench) -> Outcome:
    began = time.monotonic()
    fault: str | None = None
    try:
        check.run(bench)
    except (CheckFailed, DermatrailError) as error:
        fault = str(error)
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        # An answer that is not what the description says.
        fault = f"{type(error).__name__}: {error}"
    return Outcome(check.name, fault, time.monotonic() - began)
