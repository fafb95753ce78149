"""From a finding to the row that records keep."""

from collections.abc import Mapping

from models.finding import Finding, Identity
from models.finding import Outcome as FindingOutcome
from services.objects import Pack
from services.records.identity import Box, IdentityCheck, Seen
from services.records.jobs import AnalysisResult, ClaimedJob
from services.records.states import IdentityKind, Outcome


def answer_files(*, job: ClaimedJob, finding: Finding) -> Pack:
    """Everything that the answer draws, as one object: outline, thumbnail, heat map, view without hair."""
    files = {
        "mask": finding.mask_png,
        "thumbnail": finding.thumbnail_jpeg,
        "heatmap": finding.heatmap_jpeg,
        "hairfree": finding.hairfree_jpeg,
    }
    return Pack.of(f"{job.tenant_id}/{job.case_id}/{job.image_id}/{finding.pipeline_version}/answer", files)


def analysis_result(*, job: ClaimedJob, finding: Finding, keys: Mapping[str, str]) -> AnalysisResult:
    """The analysis of one job; the finding goes into the row whole, as the reader will see it. ``keys``: of its files, by name."""
    top = max(finding.probabilities.values()) if finding.probabilities and finding.prediction else None
    return AnalysisResult(
        job_id=job.job_id,
        pipeline_version=finding.pipeline_version,
        outcome=Outcome(finding.outcome),
        classes=finding.classes,
        flags=flags_of(finding),
        top_class=finding.prediction,
        top_probability=top,
        malignant_probability=finding.malignant_probability or 0.0,
        finding=finding.as_json(),
        mask_key=keys.get("mask"),
        thumbnail_key=keys.get("thumbnail"),
        heatmap_key=keys.get("heatmap"),
        hairfree_key=keys.get("hairfree"),
        embedding=finding.embedding or None,
        identity=None if finding.identity is None else identity_check(finding.identity),
    )


def identity_check(identity: Identity) -> IdentityCheck:
    """What in the picture may tell who it is, as records keep it."""
    written = [Seen(IdentityKind.TEXT, text.score, Box(text.x, text.y, text.width, text.height)) for text in identity.text]
    declared = [Seen(IdentityKind.DECLARED, 1.0)] if identity.declared else []
    return IdentityCheck(identity.version, (*declared, *written))


def flags_of(finding: Finding) -> tuple[str, ...]:
    """What the worklist marks: a malignant probability over the operating point, technical faults, why the models abstain."""
    suspicious = ("suspicious",) if finding.suspicious else ()
    issues = finding.quality.issues if finding.quality else ()
    outside = ("out_of_distribution",) if finding.ood and not finding.ood.in_distribution else ()
    no_lesion = ("no_lesion_found",) if finding.outcome is not FindingOutcome.FAILED and finding.measures is None else ()
    return (*suspicious, *issues, *outside, *no_lesion)
