"""The models page: what stands behind a finding, for every reader."""

from uuid import UUID

from services.records.audit import Actor
from services.records.registry import register_model_version
from services.records.states import ModelKind, Role
from tests.review.conftest import Browser, words_of
from tests.review.seeds import Clinic

CARD = {
    "task": "classification",
    "architecture": "mobilenet_v2",
    "classes": ["MEL", "NV"],
    "input": {"side": 224, "crop": "lesion_square"},
    "views": 4,
    "data": "Drawn lesions <2026>",
    "licence": "CC BY-NC 4.0",
    "non_commercial": True,
    "limits": ["Trained on simulated evolution."],
    "operating_point": {"malignant_probability": 0.2, "sensitivity": 0.91, "specificity": 0.74},
    "metrics": {
        "validation": {"accuracy": 0.9},
        "test": {
            "images": 1001,
            "accuracy": 0.8465,
            "accuracy_95": [0.82, 0.87],
            "recall": {"MEL": 0.7, "NV": None},
            "recall_95": {"MEL": [0.6, 0.8], "NV": None},
            "malignant": {"auroc": 0.94, "auroc_95": [0.92, 0.96], "sensitivity_at_specificity": [{"specificity": 0.8}]},
        },
        "outside": {"photographs": {"images": 200, "auroc": 0.98}},
    },
}


def register(clinic: Clinic, kind: ModelKind, digest: str, **card: object) -> None:
    with clinic.worker.transaction() as session:
        register_model_version(
            session=session,
            kind=kind,
            digest=digest,
            name="MobileNetV2, two classes",
            version="2",
            card={**CARD, **card},
            actor=Actor.system("test"),
            reason="test",
        )


def test_a_model_is_shown_with_licence_data_figures_intervals_and_limits(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    register(clinic, ModelKind.CLASSIFIER, "0123456789ab")
    page = reader.get("/models")
    words = words_of(page)
    for part in (
        "Names the diagnosis MobileNetV2, two classes 2 in use digest 0123456789ab",
        "Non-commercial use only Licence: CC BY-NC 4.0",
        "Trained on Drawn lesions <2026>",
        "the lesion's square, 224 × 224 px, mean of 4 turned views",
        "Operating point suspicious from malignant probability 0.200",
        "sensitivity on the pictures that chose it 0.910 specificity on the pictures that chose it 0.740",
        "On pictures held out from training pictures 1001 accuracy 0.847 95 % interval 0.820 to 0.870",
        "On pictures held out from training: malignant against benign area under ROC 0.940 95 % interval 0.920 to 0.960",
        "Lesions against strangers: photographs pictures 200 area under ROC 0.980",
        "MEL 0.700 0.600 to 0.800 NV none",
        "Trained on simulated evolution.",
        "It knows these 2 classes only",
        "a dermatologist decides every case",
    ):
        assert part in words
    assert words.index("held out from training") < words.index("chose its thresholds")


def test_a_free_model_bears_no_mark_and_a_later_one_is_a_candidate(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    register(clinic, ModelKind.SEGMENTER, "0123456789ab", non_commercial=False, licence="CC0-1.0", metrics={}, operating_point=None)
    register(clinic, ModelKind.SEGMENTER, "ba9876543210", non_commercial=False, licence="CC0-1.0", metrics={"test": {"jaccard": 0.84}})
    words = words_of(reader.get("/models"))
    assert "Non-commercial" not in words
    assert words.index("in use digest 0123456789ab") < words.index("candidate digest ba9876543210")
    assert "jaccard 0.840" in words


def test_a_card_that_says_little_is_shown_without_guesses(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    with clinic.worker.transaction() as session:
        register_model_version(
            session=session,
            kind=ModelKind.CLASSIFIER,
            digest="0123456789ab",
            name="Old",
            version="0",
            card={"metrics": {"test": {"accuracy": "good"}}},
            actor=Actor.system("test"),
            reason="test",
        )
    page = reader.get("/models")
    assert page.status_code == 200
    assert "Licence: not stated" in words_of(page)


def test_an_empty_registry_says_how_it_fills(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    assert "A worker makes its models known when it starts." in words_of(reader.get("/models"))


def test_every_role_reads_the_page_and_nobody_else(clinic: Clinic, tenant: UUID, browser: Browser) -> None:
    assert browser.get("/models").status_code == 303
    clinic.user(tenant, role=Role.ADMIN)
    browser.sign_in()
    assert browser.get("/models").status_code == 200
    assert 'href="/models"' in browser.get("/").text


def test_a_sequence_model_says_what_progressing_means_and_has_no_shadow(clinic: Clinic, tenant: UUID, browser: Browser) -> None:
    progressing = {"visits": 3, "grown": 0.1, "darkened": 0.15, "probability": 0.4, "sensitivity": 0.8, "specificity": 0.9}
    metrics = {"test": {"images": 900, "progressing": {"series": 900, "auroc": 0.91, "auroc_95": [0.88, 0.93]}}}
    for digest in ("0123456789ab", "ba9876543210"):
        register(clinic, ModelKind.SEQUENCE, digest, task="sequence", progressing=progressing, metrics=metrics)
    clinic.user(tenant, role=Role.LEAD, name="Dr Head")
    browser.sign_in()
    page = browser.get("/models")
    words = words_of(page)
    for part in (
        "Reads the visits of a lesion MobileNetV2, two classes 2 in use digest 0123456789ab",
        "Progressing means diameter + 10% or contrast + 15% or more, from the first visit to the last",
        "progressing from probability 0.400",
        "On pictures held out from training: progressing against stable series 900",
    ):
        assert part in words
    assert "/promote" in page.text
    assert "/shadow" not in page.text
