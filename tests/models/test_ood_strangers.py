"""Strangers made from training pictures: what they keep and what they destroy."""

from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from models.datasets import Record
from models.ood import made_strangers, unseen
from models.ood.strangers import KINDS, recoloured, scrambled, shuffled, skin_beside
from models.synthetic import Kind, draw

WIDTH, HEIGHT = 160, 120
LESION = (200, 0, 0)


def painted(*, left: int, right: int) -> tuple[np.ndarray, np.ndarray]:
    """Beige with a red block from column to column, and its mask."""
    picture, mask = np.full((HEIGHT, WIDTH, 3), (220, 190, 170), np.uint8), np.zeros((HEIGHT, WIDTH), np.uint8)
    picture[:, left:right], mask[:, left:right] = LESION, 255
    return picture, mask


@pytest.fixture
def records(tmp_path: Path) -> list[Record]:
    """Twelve drawn lesions on disk, the last two without masks."""
    made = []
    for index in range(12):
        drawn = draw(seed=index, kind=list(Kind)[index % 5], width=WIDTH, height=HEIGHT, area=0.08)
        image, mask = tmp_path / f"lesion_{index}.jpg", tmp_path / f"lesion_{index}.png"
        cv2.imwrite(str(image), cv2.cvtColor(drawn.rgb, cv2.COLOR_RGB2BGR))
        cv2.imwrite(str(mask), drawn.mask)
        made.append(Record(image=image, mask=mask if index < 10 else None, lesion=f"lesion_{index}"))
    return made


def test_skin_is_the_largest_square_away_from_the_lesion() -> None:
    picture, mask = painted(left=0, right=60)
    skin = skin_beside(picture, mask, np.random.default_rng(0))
    assert skin is not None
    assert skin.shape == (74, 74, 3)  # 0.62 of the short side fits
    assert not (skin == LESION).all(axis=2).any()


def test_there_is_no_skin_beside_a_lesion_that_fills_the_picture() -> None:
    picture, mask = painted(left=20, right=140)
    assert skin_beside(picture, mask, np.random.default_rng(0)) is None


def test_every_record_gives_one_picture_skin_half_of_the_time_and_every_kind_in_turn(records: list[Record]) -> None:
    made = list(made_strangers(records))
    kinds = Counter(stranger.kind for stranger in made)
    assert len(made) == len(records)
    assert 4 <= kinds["skin"] <= 5
    assert set(kinds) == {"skin", *KINDS}
    for stranger in made:
        picture = cv2.imdecode(np.frombuffer(stranger.png, np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None
        assert min(picture.shape[:2]) >= 0.3 * HEIGHT - 1


def test_the_same_records_and_seed_give_the_same_strangers(records: list[Record]) -> None:
    first, second, other = (list(made_strangers(records, seed=seed)) for seed in (1, 1, 2))
    assert first == second
    assert first != other


def test_a_missing_picture_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"gone\.jpg"):
        next(made_strangers([Record(image=tmp_path / "gone.jpg", mask=None, lesion="gone")]))


def test_shuffling_keeps_the_pixels_and_loses_the_places() -> None:
    picture = draw(seed=3, kind=Kind.NAEVUS, width=128, height=128).rgb
    other = shuffled(picture, np.random.default_rng(0))
    assert np.array_equal(np.sort(other.reshape(-1, 3), axis=0), np.sort(picture.reshape(-1, 3), axis=0))
    assert not np.array_equal(other, picture)


def test_scrambling_keeps_colour_and_coarseness() -> None:
    picture = draw(seed=3, kind=Kind.NAEVUS, width=128, height=128, vignette=0).rgb
    other = scrambled(picture, np.random.default_rng(0))
    assert other.mean((0, 1)) == pytest.approx(picture.mean((0, 1)), abs=4)
    assert other.std() == pytest.approx(picture.std(), rel=0.2)
    assert np.corrcoef(other.ravel(), picture.ravel())[0, 1] < 0.9


def test_recolouring_moves_every_hue_and_keeps_the_light() -> None:
    picture, _ = painted(left=0, right=60)
    other = recoloured(picture, np.random.default_rng(0))
    before, after = (cv2.cvtColor(each, cv2.COLOR_RGB2HSV)[..., 0].astype(int) for each in (picture, other))
    turned = np.abs(before - after) % 180
    assert np.minimum(turned, 180 - turned).min() >= 28
    assert other.max(axis=2) == pytest.approx(picture.max(axis=2), abs=3)


def test_records_that_outside_pictures_were_cut_from_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "healthy").mkdir()
    for name in ("ISIC_0000005_1.jpg", "PAT_1008_59_297_0.jpg", "goldfish.jpg"):
        (tmp_path / "healthy" / name).touch()
    records = [
        Record(image=Path(f"{name}.jpg"), mask=None, lesion=name, patient=patient)
        for name, patient in [("ISIC_0000005", None), ("ISIC_00000051", None), ("ISIC_0000006", None), ("PAT_1008_60_1", "PAT_1008")]
    ]
    assert [record.lesion for record in unseen(records, outside=tmp_path)] == ["ISIC_00000051", "ISIC_0000006"]
    assert unseen(records, outside=None) == records
