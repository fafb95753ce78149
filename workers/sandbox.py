"""What is said of a sandbox's pictures: the real outline and measures, with the probabilities of its script."""

from dataclasses import replace

from models.finding import Finding, NextStep, Outcome
from services.records.jobs import ClaimedJob, JobFailure
from services.records.sandbox import SCRIPTS, Script, scenario_of

VERSION = "sandbox-1"
ASKED_TO_FAIL = "The sandbox was asked to fail by the case's reference."


def as_asked(job: ClaimedJob, finding: Finding) -> Finding | JobFailure:
    """The finding as the case's script wants it; as it is for every real portal, and for a picture that was refused."""
    if job.script is None or finding.outcome is Outcome.FAILED:
        return finding
    script = SCRIPTS[scenario_of(job.script)]
    if script.fails:
        return JobFailure(job_id=job.job_id, reason=ASKED_TO_FAIL, retry=False)
    return _scripted(finding, script)


def _scripted(finding: Finding, script: Script) -> Finding:
    sure, poor = len(script.classes) == 1, script.abstains == "poor_quality"
    return replace(
        finding,
        pipeline_version=VERSION,
        outcome=Outcome.ABSTAIN if script.abstains else Outcome.PREDICTION if sure else Outcome.SET,
        reason=script.abstains,
        detail=None,
        next_step=NextStep(script.next_step) if script.next_step else None,
        prediction=script.classes[0] if sure else None,
        classes=script.classes,
        coverage=0.9 if script.classes else None,
        probabilities=dict(script.probabilities),
        malignant_probability=script.malignant_probability,
        suspicious=None if script.abstains else script.malignant_probability >= 0.3,
        ood=replace(finding.ood, in_distribution=script.abstains != "out_of_distribution") if finding.ood else None,
        quality=replace(finding.quality, acceptable=not poor, issues=("blurred",) if poor else ()) if finding.quality else None,
        # No network has seen this picture so: its features must never be compared with real ones.
        embedding=b"",
    )
