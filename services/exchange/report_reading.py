"""Who read the case and when, every version of the decision, the models that answered, and the limits, as parts of a report."""

from collections.abc import Sequence

from services.exchange.report_diagnosis import Taxonomy, decision_words, plan_words
from services.exchange.report_model import Block, Section, Table, Text
from services.exchange.report_words import Words
from services.exchange.result import CaseResult
from services.records.states import Decision, ReviewKind
from services.records.views import ReviewView

DIGITS = 12


def reading_section(result: CaseResult, classes: Taxonomy, words: Words) -> Section:
    """One line for a single read; tables where there were several, or versions."""
    blocks: list[Block] = []
    if len(result.reads) > 1:
        steps = [words(f"read.{read.kind}") for read in result.reads]
        blocks.append(_table("step", result.reads, steps, classes, words))
        # Who only asked for a second opinion has said nothing to agree with.
        if result.reads[-1].kind is ReviewKind.SECOND and result.reads[0].decision is not Decision.SECOND_OPINION:
            blocks.append(Text(words("read.agreed"), soft=True))
    if result.version > 1:
        last = result.version
        names = [words("read.standing" if number == last else "read.version", number=number) for number in range(1, last + 1)]
        blocks.append(_table("number", result.versions, names, classes, words, strong=last - 1))
    return Section("reading", words("section.reading"), tuple(blocks) or (Text(words("read.single")),))


def about_section(result: CaseResult, words: Words) -> Section:
    """What the reader must know before believing any of it."""
    blocks: list[Block] = [Text(words("about.support")), *_models(result, words), Text(words("about.limits"), heading=True)]
    blocks += [Text(words(f"about.{name}")) for name in ("limit_training", "limit_pictures", "limit_measures")]
    blocks += [Text(words("about.same"), soft=True), Text(words("about.privacy"), soft=True)]
    blocks.append(Text(f"{words('about.issued', portal=result.case.portal)}. {words('about.software')}", soft=True))
    return Section("about", words("section.about"), tuple(blocks))


def _table(
    first: str, reads: Sequence[ReviewView], names: Sequence[str], classes: Taxonomy, words: Words, *, strong: int | None = None
) -> Table:
    caption = words("read.reads") if first == "step" else words("read.versions")
    head = tuple(words(f"read.{name}") for name in (first, "said", "reader", "when", "why"))
    rows = tuple(_row(read, name, classes, words) for read, name in zip(reads, names, strict=True))
    return Table(caption, head, rows, (False,) * 5, (0.15, 0.24, 0.19, 0.18, 0.24), strong)


def _row(read: ReviewView, name: str, classes: Taxonomy, words: Words) -> tuple[str, ...]:
    said = decision_words(read, classes, words)
    if read.management:
        said += f"\n{plan_words(read.management, read.follow_up_months, words)}"
    reasons = [words.known("reason", read.reason) if read.reason else "", read.rationale or ""]
    return name, said, read.reviewer, words.time(read.created_at), "\n".join(filter(None, reasons)) or words("change.none")


def _models(result: CaseResult, words: Words) -> list[Block]:
    pipelines = sorted({image.analysis.pipeline_version for image in result.case.images if image.analysis})
    if not pipelines:
        return [Text(words("model.none"))]
    if not result.models:
        return [Text(words("model.unregistered", version=", ".join(pipelines)))]
    head = tuple(words(f"model.{name}") for name in ("does", "name", "version", "licence", "digest"))
    rows = tuple(
        (words(f"model.{model.kind}"), model.name, model.version, model.licence or words("model.no_licence"), model.digest[:DIGITS])
        for model in result.models
    )
    table = Table("", head, rows, (False,) * 5, (0.24, 0.24, 0.12, 0.2, 0.2))
    return [table, Text(words("model.pipeline", version=", ".join(pipelines)), soft=True)]
