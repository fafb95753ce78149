"""From a finding to the row that records keep."""

from models.finding import Finding
from models.finding import Outcome as FindingOutcome
from services.records.jobs import AnalysisResult, ClaimedJob
from services.records.states import Outcome


def analysis_result(*, job: ClaimedJob, finding: Finding, folder: str) -> AnalysisResult:
    """The analysis of one job; the finding goes into the row whole, as the reader will see it."""
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
        mask_key=f"{folder}/mask.png",
        thumbnail_key=f"{folder}/thumbnail.jpg",
        heatmap_key=f"{folder}/heatmap.jpg" if finding.heatmap_jpeg else None,
        hairfree_key=f"{folder}/hairfree.jpg" if finding.hairfree_jpeg else None,
    )


def flags_of(finding: Finding) -> tuple[str, ...]:
    """What the worklist marks: a malignant probability over the operating point, technical faults, why the models abstain."""
    suspicious = ("suspicious",) if finding.suspicious else ()
    issues = finding.quality.issues if finding.quality else ()
    outside = ("out_of_distribution",) if finding.ood and not finding.ood.in_distribution else ()
    no_lesion = ("no_lesion_found",) if finding.outcome is not FindingOutcome.FAILED and finding.measures is None else ()
    return (*suspicious, *issues, *outside, *no_lesion)
