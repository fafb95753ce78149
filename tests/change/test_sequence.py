"""A network reads a lesion's visits: in order, as one piece of skin, and only what it can say."""

import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from models.bundle import BundleError, load_bundle, save_bundle
from models.change.sequence import SequenceReader, chosen_visits
from models.crop import MARGIN, Square, lesion_square, series_squares
from models.networks import build_network
from models.pictures.types import Gray, Rgb
from models.synthetic import Kind, SyntheticPicture, draw
from tests.models.cards import classifier_card, sequence_card

WIDTH, HEIGHT = 320, 240


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with random weights."""
    folder, card = tmp_path_factory.mktemp("bundles") / "sequence", sequence_card()
    torch.manual_seed(0)
    save_bundle(folder=folder, network=build_network(architecture="cnn_lstm", classes=2, **card["options"]), card=card)
    return folder


@pytest.fixture(scope="module")
def reader(folder: Path) -> SequenceReader:
    return SequenceReader.load(folder)


def visit(seed: int, area: float = 0.1, kind: Kind = Kind.NAEVUS) -> SyntheticPicture:
    return draw(seed=seed, kind=kind, width=WIDTH, height=HEIGHT, area=area)


def series(*areas: float, seed: int = 1) -> tuple[list[Rgb], list[Gray]]:
    """The same drawn lesion, covering these shares of the picture."""
    drawn = [visit(seed, area) for area in areas]
    return [each.rgb for each in drawn], [each.mask for each in drawn]


def test_a_series_is_answered_with_both_probabilities_and_their_spread(reader: SequenceReader) -> None:
    pictures, masks = series(0.08, 0.1, 0.12)
    answer = reader.read(pictures, masks=masks, days=[0, 90, 200])
    assert 0 <= answer.malignant_probability <= 1
    assert answer.progressing_probability is not None
    assert answer.progressing_spread is not None
    assert 0 <= answer.progressing_probability <= 1
    assert 0 < answer.malignant_spread < 0.5
    assert 0 < answer.progressing_spread < 0.5
    assert (answer.visits, answer.read, answer.digest) == (3, (0, 1, 2), reader.digest)
    assert answer.to_json()["read"] == [0, 1, 2]


def test_one_visit_has_no_progress(reader: SequenceReader) -> None:
    pictures, masks = series(0.1)
    answer = reader.read(pictures, masks=masks, days=[0])
    assert 0 <= answer.malignant_probability <= 1
    assert (answer.progressing_probability, answer.progressing_spread, answer.visits) == (None, None, 1)


def test_visits_of_one_day_are_read(reader: SequenceReader) -> None:
    pictures, masks = series(0.1, 0.1)
    assert reader.read(pictures, masks=masks, days=[5, 5]).progressing_probability is not None


def test_order_and_gaps_matter_and_the_day_that_one_counts_from_does_not(reader: SequenceReader) -> None:
    pictures, masks = series(0.06, 0.14)
    forth = reader.read(pictures, masks=masks, days=[0, 100])
    assert reader.read(pictures[::-1], masks=masks[::-1], days=[0, 100]) != forth
    assert reader.read(pictures, masks=masks, days=[0, 300]) != forth
    assert reader.read(pictures, masks=masks, days=[700, 800]) == forth


def test_a_series_is_answered_the_same_again(reader: SequenceReader) -> None:
    pictures, masks = series(0.06, 0.14)
    assert reader.read(pictures, masks=masks, days=[0, 100]) == reader.read(pictures, masks=masks, days=[0, 100])


def test_squares_may_be_given_instead_of_masks(reader: SequenceReader) -> None:
    pictures, masks = series(0.06, 0.14)
    squares = series_squares(masks, sizes=[(WIDTH, HEIGHT)] * 2)
    assert reader.read(pictures, squares=squares, days=[0, 9]) == reader.read(pictures, masks=masks, days=[0, 9])


@pytest.mark.parametrize(
    ("change", "cure"),
    [
        ({"days": [90, 0]}, "sort the visits by the time when they were photographed, the earliest first"),
        ({"days": [0, float("nan")]}, "every visit needs the day when it was photographed"),
        ({"days": [0]}, "days: there are 1 for 2 pictures: give one for each visit"),
        ({"masks": None}, "give either the masks or the squares"),
        ({"squares": [Square(0.5, 0.5, 0.5, 0.5)] * 2}, "give either the masks or the squares"),
        ({"mm_per_px": [0.1]}, "mm_per_px: there are 1 for 2 pictures"),
    ],
)
def test_visits_that_do_not_fit_together_are_refused_with_the_cure(reader: SequenceReader, change: dict[str, object], cure: str) -> None:
    pictures, masks = series(0.1, 0.1)
    given: dict[str, object] = {"masks": masks, "days": [0, 90], **change}
    with pytest.raises(ValueError, match=cure):
        reader.read(pictures, **given)  # type: ignore[arg-type]


def test_no_visit_at_all_is_refused(reader: SequenceReader) -> None:
    with pytest.raises(ValueError, match="give one for each visit, at least one"):
        reader.read([], masks=[], days=[])


def test_of_a_long_series_the_first_the_last_and_those_nearest_to_equal_steps_are_read(reader: SequenceReader) -> None:
    assert chosen_visits([0, 10, 20, 100, 190, 200, 290, 300], most=4) == (0, 3, 5, 7)
    assert chosen_visits([0, 0, 0, 0, 0], most=4) == (0, 1, 2, 4)
    assert chosen_visits([0, 1], most=4) == (0, 1)
    pictures, masks = series(*[0.1] * 10)
    answer = reader.read(pictures, masks=masks, days=list(range(10)))
    assert (answer.visits, answer.read) == (10, (0, 3, 6, 9))


def test_another_kind_of_bundle_is_refused(tmp_path: Path) -> None:
    save_bundle(folder=tmp_path, network=build_network(architecture="mobilenet_v2", classes=2), card=classifier_card())
    with pytest.raises(BundleError, match=r"is no sequence model .*dermatrail train sequence makes one"):
        SequenceReader.load(tmp_path)


def test_a_damaged_bundle_is_refused(folder: Path, tmp_path: Path) -> None:
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "bundle.json").write_text((tmp_path / "bundle.json").read_text().replace('"grown": 0.1', '"grown": 0.2'))
    with pytest.raises(BundleError, match="was changed since it was signed"):
        SequenceReader.load(tmp_path)


def test_the_temperature_of_progress_is_applied(folder: Path, reader: SequenceReader) -> None:
    bundle = load_bundle(folder)
    cold = SequenceReader(replace(bundle, card={**bundle.card, "progressing": {**bundle.card["progressing"], "temperature": 0.1}}))
    pictures, masks = series(0.06, 0.14)
    even, sharp = (each.read(pictures, masks=masks, days=[0, 90]).progressing_probability for each in (reader, cold))
    assert even is not None
    assert sharp is not None
    assert np.log(sharp / (1 - sharp)) == pytest.approx(10 * np.log(even / (1 - even)), rel=1e-3)


class TestSquares:
    """All visits show the same piece of skin."""

    @staticmethod
    def mask(width: int, height: int, radius: int, x: int | None = None) -> Gray:
        blank = np.zeros((height, width), np.uint8)
        return cv2.circle(blank, (x or width // 2, height // 2), radius, 255, -1)  # type: ignore[return-value]

    def test_a_series_of_one_is_cropped_like_any_picture(self) -> None:
        mask = self.mask(WIDTH, HEIGHT, 40)
        assert series_squares([mask], sizes=[(WIDTH, HEIGHT)]) == [lesion_square(mask, width=WIDTH, height=HEIGHT)]

    def test_the_largest_lesion_says_how_large_all_squares_are_and_each_is_centred_on_its_own(self) -> None:
        small, large = self.mask(WIDTH, HEIGHT, 20, x=120), self.mask(WIDTH, HEIGHT, 40)
        first, last = series_squares([small, large], sizes=[(WIDTH, HEIGHT)] * 2)
        assert first.half_x == last.half_x == pytest.approx(MARGIN * 81 / 2 / WIDTH)
        assert first.x * WIDTH == pytest.approx(120, abs=1)

    def test_without_a_scale_pictures_are_taken_as_equally_wide(self) -> None:
        first, last = series_squares([self.mask(WIDTH, HEIGHT, 40), self.mask(640, 480, 80)], sizes=[(WIDTH, HEIGHT), (640, 480)])
        assert first.half_y == pytest.approx(last.half_y, rel=0.01)

    def test_with_a_scale_the_squares_are_equally_wide_in_millimetres(self) -> None:
        masks, sizes = [self.mask(WIDTH, HEIGHT, 40), self.mask(WIDTH, HEIGHT, 20)], [(WIDTH, HEIGHT)] * 2
        first, last = series_squares(masks, sizes=sizes, mm_per_px=[0.05, 0.1])
        assert first.half_x * 0.05 == pytest.approx(last.half_x * 0.1)
        unknown = series_squares(masks, sizes=sizes, mm_per_px=[0.05, None])
        assert unknown[0].half_x == unknown[1].half_x

    def test_no_square_is_larger_than_the_smallest_picture_shows(self) -> None:
        masks = [self.mask(WIDTH, HEIGHT, 100), self.mask(WIDTH, HEIGHT, 100)]
        first, last = series_squares(masks, sizes=[(WIDTH, HEIGHT)] * 2, mm_per_px=[0.05, 0.1])
        assert first.half_y == 0.5
        assert last.half_y == 0.25

    def test_a_visit_without_a_lesion_is_seen_in_the_middle(self) -> None:
        nothing = np.zeros((HEIGHT, WIDTH), np.uint8)
        first, last = series_squares([nothing, self.mask(WIDTH, HEIGHT, 40)], sizes=[(WIDTH, HEIGHT)] * 2)
        assert (first.x, first.y, first.half_x) == (0.5, 0.5, last.half_x)
        assert series_squares([nothing], sizes=[(WIDTH, HEIGHT)])[0].half_y == 0.5


@pytest.fixture(scope="module")
def shipped() -> SequenceReader:
    """The bundle that comes with the program."""
    return SequenceReader.load()


class TestShipped:
    """What the bundle that comes with the program answers."""

    def progress(self, shipped: SequenceReader, *areas: float) -> float:
        """Mean p(progressing) over drawn lesions of every kind."""
        found = []
        for seed, kind in enumerate([*Kind] * 2):
            drawn = [visit(seed, area, kind) for area in areas]
            answer = shipped.read([each.rgb for each in drawn], masks=[each.mask for each in drawn], days=[0, 180])
            assert answer.progressing_probability is not None
            found.append(answer.progressing_probability)
        return float(np.mean(found))

    def test_drawn_lesions_that_grow_score_higher_than_those_that_stay_or_shrink(self, shipped: SequenceReader) -> None:
        grown, still, shrunk = (self.progress(shipped, *areas) for areas in ((0.05, 0.12), (0.12, 0.12), (0.12, 0.05)))
        assert grown > still + 0.2
        assert grown > shrunk + 0.2

    def test_its_card_says_what_it_must_not_be_trusted_with(self, shipped: SequenceReader) -> None:
        limits = " ".join(shipped.card["limits"])
        for word in ("simulated evolution", "never instead of it", "not defined for a single visit", "Without a known scale"):
            assert word in limits
        assert shipped.card["non_commercial"]
        assert shipped.card["metrics"]["test"]["progressing"]["auroc"] > 0.8
        assert shipped.card["progressing"]["probability"] is not None

    def test_ten_visits_are_read_in_little_time(self, shipped: SequenceReader) -> None:
        pictures, masks = series(*[0.1] * 10)
        times = []
        for _ in range(5):
            start = time.process_time()
            shipped.read(pictures, masks=masks, days=list(range(10)))
            times.append(time.process_time() - start)
        assert min(times) < 0.2  # 50 ms of an idle core; processor time of all threads here, beside other tests
