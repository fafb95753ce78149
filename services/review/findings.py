"""A finding (the analyzer's JSON) as the desk shows it: bars, and sentences with a next step."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.records.diagnoses import DIAGNOSES
from services.records.states import Outcome
from services.records.views import AnalysisView
from services.review import words

JsonObject = Mapping[str, Any]

ABSTENTIONS = {
    "out_of_distribution": "The picture is unlike those that the model was trained on.",
    "no_lesion_found": "No lesion was found in the picture.",
    "poor_quality": "The picture is too poor to be judged.",
}
NEXT_STEPS = {
    "retake": "Next step: ask the portal for a new picture.",
    "dermatologist": "Next step: read by hand.",
    "not_skin": "Next step: check that this is a skin lesion; if not, ask for a retake.",
}
ISSUES = {"blurred": "blurred", "dark": "too dark", "overexposed": "overexposed", "small": "too few pixels"}
# The share of dark threads under which the worker makes no picture without hair.
HAIRLESS_SHARE = 0.2
UNCHECKED = "This model's bundle has no detector of strangers: it names a diagnosis for any picture at all."
BY_EYE = "Next step: judge the picture itself; do not rely on the probabilities."


@dataclass(frozen=True, slots=True)
class Bar:
    """One class of the ranked list; `width` is a percentage of the track."""

    code: str
    name: str
    malignant: bool
    leading: bool
    width: float
    text: str
    exact: str


@dataclass(frozen=True, slots=True)
class Statement:
    """A judgement in words; `kind` names its mark: done, attention, urgent or information."""

    kind: str
    title: str
    detail: str = ""
    next_step: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """Everything that the side panel shows of one analysis; ``answer`` says in words what is more than one class."""

    abstained: bool
    answer: Statement | None
    bars: tuple[Bar, ...]
    malignant_text: str
    suspicion: Statement | None
    statements: tuple[Statement, ...]
    provenance: str

    @property
    def leading(self) -> Bar | None:
        """The class that can be confirmed; none where the model abstained or named a set."""
        named = [bar for bar in self.bars if bar.leading]
        return named[0] if len(named) == 1 else None

    @property
    def short(self) -> str:
        """The answer in the width of a thumbnail: ``MEL 0.71``, ``{MEL, NV}`` or ``abstains``."""
        if self.leading:
            return f"{self.leading.code} {self.leading.text}"
        return braced(bar.code for bar in self.bars if bar.leading) if not self.abstained else "abstains"


def read_finding(analysis: AnalysisView) -> Finding:
    """The panel of one analysis. Parts that an older pipeline did not write are left out, never guessed."""
    finding = analysis.finding
    return Finding(
        abstained=analysis.outcome is Outcome.ABSTAIN,
        answer=_answer(analysis),
        bars=ranked_bars(finding, named_classes(analysis)),
        malignant_text=words.probability(analysis.malignant_probability),
        suspicion=_suspicion(finding, analysis.malignant_probability),
        statements=tuple(_statements(finding)),
        provenance=_provenance(analysis),
    )


def is_hairless(finding: JsonObject) -> bool:
    """Whether the analysis looked for hair and found too little to hide anything."""
    share = (finding.get("quality") or {}).get("hair_share")
    return share is not None and share < HAIRLESS_SHARE


def named_classes(analysis: AnalysisView) -> tuple[str, ...]:
    """The classes that the model stands for: one of a prediction, several of a set, none of an abstention."""
    if analysis.outcome is Outcome.PREDICTION and analysis.top_class:
        return (analysis.top_class,)
    return analysis.classes if analysis.outcome is Outcome.SET else ()


def braced(codes: Iterable[str]) -> str:
    """`{MEL, NV}`."""
    return "{" + ", ".join(codes) + "}"


def taxonomy(finding: JsonObject | None) -> tuple[tuple[str, str, bool], ...]:
    """(code, name, malignant) of each class: the model's own list, else the desk's."""
    entries: Sequence[JsonObject] = (finding or {}).get("taxonomy") or ()
    if entries:
        return tuple((str(entry["code"]), str(entry["name"]), bool(entry["malignant"])) for entry in entries)
    return tuple((diagnosis.code, diagnosis.name, diagnosis.malignant) for diagnosis in DIAGNOSES)


def abstention_words(reason: str | None) -> str:
    """Why the model abstains, as one sentence."""
    return ABSTENTIONS.get(reason or "", "The model is not certain enough to name a class.")


def _answer(analysis: AnalysisView) -> Statement | None:
    if analysis.outcome is Outcome.ABSTAIN:
        return _abstention(analysis.finding)
    return _set(analysis) if analysis.outcome is Outcome.SET else None


def _set(analysis: AnalysisView) -> Statement:
    coverage = analysis.finding.get("coverage")
    stated = f" – {coverage:.0%} coverage".replace("%", " %") if coverage else ""
    detail = f"Of 100 such answers, about {100 * coverage:.0f} hold the true class." if coverage else ""
    title = f"One of: {', '.join(analysis.classes)}{stated}"
    return Statement("information", title, detail, "Next step: decide between them; the model does not.")


def _suspicion(finding: JsonObject, malignant: float) -> Statement | None:
    """Which side of the operating point; nothing where the model abstains or its bundle states no such point."""
    point, suspicious = finding.get("operating_point") or {}, finding.get("suspicious")
    if suspicious is None or point.get("malignant_probability") is None:
        return None
    limit = point["malignant_probability"]
    figures = [f"{name} {point[name]:.2f}" for name in ("sensitivity", "specificity") if point.get(name) is not None]
    # The point was chosen on these very pictures; the models page has the figures of pictures that chose nothing.
    detail = f"On the validation pictures that chose this limit: {', '.join(figures)}." if figures else ""
    if suspicious:
        return Statement("attention", f"Suspicious: malignant probability {malignant:.2f} reaches the operating point {limit:.2f}", detail)
    return Statement("information", f"Malignant probability {malignant:.2f} is under the operating point {limit:.2f}", detail)


def _abstention(finding: JsonObject) -> Statement:
    next_step = NEXT_STEPS.get(finding.get("next_step") or "", NEXT_STEPS["dermatologist"])
    return Statement("attention", abstention_words(finding.get("reason")), "The probabilities below must not be used alone.", next_step)


def ranked_bars(finding: JsonObject, named: Collection[str]) -> tuple[Bar, ...]:
    """Every class of a finding, most likely first; those in `named` lead."""
    classes = {code: (name, malignant) for code, name, malignant in taxonomy(finding)}
    ranked = sorted((finding.get("probabilities") or {}).items(), key=lambda item: -item[1])
    bars = []
    for code, value in ranked:
        name, malignant = classes.get(code, (code, False))
        width = round(100 * min(max(float(value), 0.0), 1.0), 1)
        bars.append(Bar(code, name, malignant, code in named, width, words.probability(value), f"{code} {value:.4f}"))
    return tuple(bars)


def _statements(finding: JsonObject) -> list[Statement]:
    statements = []
    if ood := finding.get("ood"):
        statements.append(_distribution(ood))
    elif "ood" in finding:
        statements.append(Statement("attention", "Not checked: is the picture like the training pictures?", UNCHECKED, BY_EYE))
    if quality := finding.get("quality"):
        statements.append(_quality(quality))
    return statements


def _distribution(ood: JsonObject) -> Statement:
    criteria = (
        _criterion("max-softmax", ood.get("max_softmax"), ood.get("max_softmax_threshold")),
        _criterion("entropy", ood.get("entropy"), ood.get("entropy_threshold")),
        _criterion("strangeness", ood.get("distance"), ood.get("distance_threshold")),
    )
    detail = " · ".join(filter(None, criteria))
    if ood.get("in_distribution"):
        return Statement("done", "In distribution", detail)
    return Statement("attention", "Out of distribution: unlike the training pictures", detail, BY_EYE)


def _criterion(name: str, value: float | None, limit: float | None) -> str:
    if value is None:
        return ""
    return f"{name} {value:.2f}" if limit is None else f"{name} {value:.2f} (limit {limit:.2f})"


def _quality(quality: JsonObject) -> Statement:
    issues = [ISSUES.get(issue, issue.replace("_", " ")) for issue in quality.get("issues") or []]
    if quality.get("acceptable", not issues):
        return Statement("done", "Picture quality acceptable", f"noted: {words.listed(issues)}" if issues else "")
    title = f"Picture quality: {words.listed(issues)}" if issues else "Picture quality not acceptable"
    return Statement("attention", title, "", "Next step: if you cannot judge it, choose Not assessable and ask for a retake.")


def _provenance(analysis: AnalysisView) -> str:
    licence = analysis.finding.get("licence")
    return f"Pipeline {analysis.pipeline_version}" + (f" · Licence: {licence}" if licence else "")
