"""Every detector behind the one interface, and ours against the library that they are from."""

import numpy as np
import pytest
import torch

from models.ood import DETECTORS, OodError
from tests.models.test_ood import Seen, lesions

NAMES = sorted(DETECTORS)


def without_labels(rows: Seen, *, kept: int) -> Seen:
    return Seen(rows.logits, rows.features, np.where(np.arange(len(rows.labels)) < kept, rows.labels, -1))


@pytest.mark.parametrize("name", NAMES)
def test_a_detector_comes_back_from_its_tensors_and_scores_each_row_by_itself(name: str) -> None:
    strangers = lesions(200, seed=4, centre=2)
    fitted = DETECTORS[name].fit(lesions(400, seed=1), strangers)
    again = DETECTORS[name].from_tensors(fitted.tensors())
    rows = lesions(20, seed=2)
    scores = again.score(rows)
    assert scores.shape == (20,)
    assert scores == pytest.approx(fitted.score(rows), rel=1e-3, abs=1e-3)
    alone = [again.score(Seen(rows.logits[[i]], rows.features[[i]], rows.labels[[i]]))[0] for i in range(20)]
    assert alone == pytest.approx(scores, rel=1e-5, abs=1e-5)
    assert all(tensor.dtype == torch.float32 for tensor in again.tensors().values())


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("dual", "energy")])
def test_detectors_of_features_find_what_no_lesion_looks_like(name: str) -> None:
    fitted = DETECTORS[name].fit(lesions(800, seed=1), lesions(200, seed=4, centre=3))
    assert np.median(fitted.score(lesions(200, seed=5, centre=3))) > np.quantile(fitted.score(lesions(200, seed=2)), 0.95)


@pytest.mark.parametrize("name", ["dual", "energy"])
def test_detectors_of_logits_find_what_no_class_speaks_for(name: str) -> None:
    fitted = DETECTORS[name].fit(lesions(800, seed=1), None)
    vague = Seen(np.zeros((5, 3), np.float32), np.zeros((5, 20), np.float32), np.zeros(5, np.int64))
    assert fitted.score(vague).min() > np.quantile(fitted.score(lesions(200, seed=2)), 0.9)


def test_the_dual_score_passes_one_exactly_when_both_criteria_refuse() -> None:
    fitted = DETECTORS["dual"].from_tensors({"max_softmax": torch.tensor([0.6]), "entropy": torch.tensor([0.8])})
    probabilities = np.array([[0.9, 0.1, 0.0, 0.0], [0.5, 0.5, 0.0, 0.0], [0.3, 0.3, 0.2, 0.2]])
    logits = np.log(probabilities + 1e-9).astype(np.float32)
    assert (fitted.score(Seen(logits, logits, np.zeros(3, np.int64))) > 1).tolist() == [False, False, True]


@pytest.mark.parametrize("name", ["energy", "mahalanobis", "knn", "vim"])
def test_scores_are_those_of_pytorch_ood(name: str) -> None:
    library = pytest.importorskip("pytorch_ood.detector", reason="pytorch-ood is not installed")
    known, rows = lesions(400, seed=1), lesions(50, seed=2)
    features, labels, new = torch.from_numpy(known.features), torch.from_numpy(known.labels), torch.from_numpy(rows.features)
    expected = {
        "energy": lambda: library.EnergyBased(None).predict_logits(torch.from_numpy(rows.logits)),
        "mahalanobis": lambda: library.Mahalanobis(None).fit_features(features, labels).predict_features(new),
        "knn": lambda: library.KNN(None, k=50).fit_features(features, labels).predict_features(new),
        "vim": lambda: (
            library.ViM(None, d=2, w=3 * torch.eye(3, 20), b=torch.zeros(3)).fit_features(features, labels).predict_features(new)
        ),
    }[name]()
    assert DETECTORS[name].fit(known, None).score(rows) == pytest.approx(expected.double().numpy(), rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("name", ["mahalanobis", "vim"])
def test_unlabelled_pictures_and_absent_classes_do_no_harm(name: str) -> None:
    known = without_labels(lesions(400, seed=1), kept=300)
    known.labels[known.labels == 1] = 2  # no picture of the class 1
    assert np.isfinite(DETECTORS[name].fit(known, None).score(lesions(20, seed=2))).all()


def test_too_few_neighbours_are_an_error() -> None:
    with pytest.raises(OodError, match="needs 50 training pictures"):
        DETECTORS["knn"].fit(lesions(49, seed=1), None)


def test_exposure_is_the_same_every_time_and_never_negative() -> None:
    known, strangers = lesions(300, seed=1), lesions(100, seed=4, centre=1)
    first, second = (DETECTORS["exposure"].fit(known, strangers) for _ in range(2))
    assert first.score(known).tolist() == second.score(known).tolist()
    assert first.score(known).min() >= 0


def test_exposure_does_not_mind_a_feature_that_never_changes() -> None:
    known, strangers = lesions(300, seed=1), lesions(100, seed=4, centre=1)
    for rows in (known, strangers):
        rows.features[:, 3] = 0
    assert np.isfinite(DETECTORS["exposure"].fit(known, strangers).score(known)).all()
