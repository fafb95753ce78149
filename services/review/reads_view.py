"""Who read the case how: two reads side by side, every version of the decision, first opinions, and what closes the bar."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from flask import url_for

from services.records.identity import may_leave
from services.records.opinions import OpinionView
from services.records.states import CaseState, ReviewKind
from services.records.views import CaseView, ReviewView
from services.review import blind, words
from services.review.case_sheet import Sheet
from services.review.decision import REASONS, decision_words, review_words
from services.review.plans import plan_words
from services.review.quiet import Undo, undo_offer
from services.review.times import Moment

KINDS = {
    ReviewKind.FIRST: "First read",
    ReviewKind.SECOND: "Second read",
    ReviewKind.ADJUDICATION: "Resolved by a lead",
    ReviewKind.AMENDMENT: "Amended",
    ReviewKind.UNDO: "Taken back",
}
NOT_ASSESSABLE = "Not assessable"
TELLING = "A picture may show who the patient is: check it before you pass the report on."


@dataclass(frozen=True, slots=True)
class ReadCard:
    """One read or version. `opinion` is what the same person thought before they saw the model's answer."""

    kind: str
    mark: str
    reader: str
    when: Moment
    ago: str
    said: str
    plan: str
    reason: str
    note: str
    rationale: str
    opinion: str
    opinion_note: str
    state: str


@dataclass(frozen=True, slots=True)
class Reads:
    """`pair`: the two reads that differ, for the lead who resolves them. `versions`: everything on file, newest first."""

    pair: tuple[ReadCard, ...]
    versions: tuple[ReadCard, ...]
    opinions: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Closed:
    """Why there is no form: decided, held, still being analysed, or not this reader's step.

    ``report``: the address of a decided case's; ``report_flag``: what to mind before passing it on.
    """

    kind: str
    title: str
    detail: str
    note: str = ""
    amend: str = ""
    again: str = ""
    undo: Undo | None = None
    report: str = ""
    report_flag: str = ""


def reads_view(sheet: Sheet, now: datetime) -> Reads:
    """What is on file of the reads that this reader may see."""
    opinions = {opinion.user_id: opinion for opinion in sheet.opinions}
    resolving = sheet.kind is ReviewKind.ADJUDICATION
    pair = blind.readers(sheet.case) if resolving else ()
    told = {review.user_id for review in sheet.case.reviews}
    return Reads(
        pair=tuple(_card(review, sheet.case, opinions.get(review.user_id), now) for review in pair),
        versions=() if resolving else tuple(_versions(sheet, opinions, now)),
        opinions=tuple((opinion.reader, opinion_words(opinion)) for opinion in sheet.opinions if opinion.user_id not in told),
    )


def closed_view(sheet: Sheet, now: datetime) -> Closed:
    """The bar where there is no form."""
    case = sheet.case
    if case.final is not None:
        return _decided(sheet, case.final, now)
    if case.state is CaseState.QUEUED:
        return Closed("information", "Being analysed", "The decision opens when every picture has its finding or the reason for none.")
    if sheet.holder is not None:
        until = f"{sheet.holder.expires_at:%H:%M} UTC"
        again = url_for("desk.case", case_id=case.id)
        return Closed("attention", f"{sheet.holder.holder} has this case until {until}", "Two readers do not decide at once.", again=again)
    if sheet.refusal:
        return _waiting(sheet, now)
    return Closed("information", "Your role reads and does not decide", "A dermatologist or a lead decides this case.")


def opinion_words(opinion: OpinionView) -> str:
    """`BCC` or `Not assessable`."""
    return opinion.diagnosis or NOT_ASSESSABLE


def _versions(sheet: Sheet, opinions: dict[UUID, OpinionView], now: datetime) -> Sequence[ReadCard]:
    if len(sheet.case.reviews) == 1 and not sheet.opinions:
        return ()
    return [_card(review, sheet.case, opinions.get(review.user_id), now) for review in reversed(sheet.case.reviews)]


def _card(review: ReviewView, case: CaseView, opinion: OpinionView | None, now: datetime) -> ReadCard:
    standing = "" if review.standing or review.kind is ReviewKind.UNDO else "replaced"
    told = opinion is not None and review.kind in blind.READS
    return ReadCard(
        kind=KINDS[review.kind],
        mark="done" if case.final and review.id == case.final.id else "information",
        reader=review.reviewer,
        when=Moment.of(review.created_at),
        ago=words.ago(review.created_at, now),
        said=decision_words(review.decision, review.diagnosis),
        plan=plan_words(review.management, review.follow_up_months),
        reason=REASONS.get(review.reason, review.reason) if review.reason else "",
        note=review.note,
        rationale=review.rationale or "",
        opinion=opinion_words(opinion) if opinion and told else "",
        opinion_note=opinion.note if opinion and told else "",
        state=standing,
    )


def _decided(sheet: Sheet, review: ReviewView, now: datetime) -> Closed:
    amend = url_for("decisions.amend", case_id=sheet.case.id) if sheet.amendable else ""
    undo = undo_offer(sheet.case, sheet.user)
    # While a decision can be taken back there is no report of it.
    report = "" if undo else url_for("reports.report", case_id=sheet.case.id)
    flag = "" if all(may_leave(picture) for picture in sheet.identity.values()) else TELLING
    said = {"amend": amend, "undo": undo, "report": report, "report_flag": flag}
    return Closed("done", review_words(review), _signed(review, now), review.note, **said)  # type: ignore[arg-type]


def _waiting(sheet: Sheet, now: datetime) -> Closed:
    """The step is another person's; one's own read, if there is one, is said."""
    undo = undo_offer(sheet.case, sheet.user)
    own = blind.readers(sheet.case)
    title = "Waits for a second reader" if sheet.case.state is CaseState.AWAITING_SECOND_READ else "Two reads differ: waits for a lead"
    if own and own[-1].user_id == sheet.user.user_id:
        detail = f"{review_words(own[-1])}. {_signed(own[-1], now)}"
        return Closed("information", f"Your read is recorded · {title[0].lower()}{title[1:]}", detail, own[-1].note, undo=undo)
    return Closed("information", title, sheet.refusal)


def _signed(review: ReviewView, now: datetime) -> str:
    when = f"{words.exact(review.created_at)} ({words.ago(review.created_at, now)})"
    reason = f" Reason: {REASONS.get(review.reason, review.reason)}." if review.reason else ""
    changed = f" {KINDS[review.kind]}: {review.rationale}" if review.rationale else ""
    return f"{review.reviewer}, {when}.{reason}{changed}"
