"""How far a lesion stands from the patient's others."""

import math
import struct

import pytest

from services.review.ugly_duckling import FEWEST, Lesion, rank

ALIKE = {"size": 2.3, "darkness": 20.0, "colours": 9.0, "asymmetry": 0.12, "border": 0.05}


def alike(count: int, **changes: float) -> list[Lesion]:
    """Lesions that differ by no more than the error of measuring; `changes` on top of the first."""
    lesions = [Lesion(str(number), {name: value * (1 + 0.01 * (number % 3)) for name, value in ALIKE.items()}) for number in range(count)]
    return [Lesion("0", {**lesions[0].figures, **changes}), *lesions[1:]]


def vector(*values: float) -> bytes:
    length = math.hypot(*values)
    return struct.pack(f"<{len(values)}e", *(value / length for value in values))


def test_a_larger_and_darker_lesion_stands_out_and_is_named_so() -> None:
    first = rank(alike(7, size=3.4, darkness=40.0))[0]
    assert first.key == "0"
    assert first.stands_out
    assert set(first.oddities) == {"larger", "darker"}


def test_among_lesions_that_resemble_each_other_none_stands_out() -> None:
    ranked = rank(alike(12))
    assert len(ranked) == 12
    assert not any(standing.stands_out for standing in ranked)


def test_fewer_than_five_lesions_are_not_ranked() -> None:
    assert rank(alike(FEWEST - 1, size=9.0)) == ()


def test_a_figure_that_is_known_of_too_few_lesions_is_left_out() -> None:
    lesions = alike(7)
    ranked = rank([*lesions[:4], *(Lesion(lesion.key, {k: v for k, v in lesion.figures.items() if k != "size"}) for lesion in lesions[4:])])
    assert len(ranked) == 7
    assert not any("larger" in standing.oddities for standing in ranked)


def test_a_rounder_lesion_than_the_others_is_not_odd() -> None:
    assert not any(standing.stands_out for standing in rank(alike(9, asymmetry=-0.9, border=-0.9)))


def test_a_lesion_that_looks_different_stands_out_by_its_features() -> None:
    odd = Lesion("odd", ALIKE, "p1", vector(-1, 1, 1, 0.2))
    others = [Lesion(str(n), ALIKE, "p1", vector(1, 1, 1 + n / 50, 0.2)) for n in range(8)]
    first = rank([*others, odd])[0]
    assert (first.key, first.stands_out, first.oddities) == ("odd", True, ("a different look",))


def test_features_of_another_version_are_not_compared() -> None:
    stranger = Lesion("new", ALIKE, "p2", vector(-1, 1, 1, 0.2))
    others = [Lesion(str(n), ALIKE, "p1", vector(1, 1, 1 + n / 50, 0.2)) for n in range(8)]
    assert not any(standing.stands_out for standing in rank([*others, stranger]))


def test_half_of_the_lesions_may_be_odd_before_the_others_are() -> None:
    lesions = alike(9)
    big = [Lesion(lesion.key, {**lesion.figures, "size": 4.0}) for lesion in lesions[:3]]
    assert {standing.key for standing in rank([*big, *lesions[3:]]) if standing.stands_out} == {"0", "1", "2"}


def test_ties_are_broken_by_key_so_that_the_order_stays() -> None:
    lesions = [Lesion(str(n), ALIKE) for n in range(6)]
    assert [standing.key for standing in rank(list(reversed(lesions)))] == [str(n) for n in range(6)]


@pytest.mark.parametrize("damaged", [b"", b"\0\0\0\0"])
def test_a_damaged_embedding_is_no_reason_to_fail(damaged: bytes) -> None:
    others = [Lesion(str(n), ALIKE, "p1", vector(1, 1, 1 + n / 50, 0.2)) for n in range(8)]
    assert rank([*others, Lesion("damaged", ALIKE, "p1", damaged)])
