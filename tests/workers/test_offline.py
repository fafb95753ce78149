"""``dermatrail analyse``: files in, lines, masks and heat maps out."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from models.synthetic import Kind, draw
from workers.cli import main
from workers.offline import stems


@pytest.fixture
def pictures(tmp_path: Path) -> list[str]:
    """A drawn lesion, the same under a shared stem in another format, and a broken file."""
    bgr = np.ascontiguousarray(draw(seed=0, kind=Kind.NAEVUS, width=640, height=480).rgb[..., ::-1])
    files = [tmp_path / "lesion.png", tmp_path / "lesion.jpg", tmp_path / "broken.jpg"]
    for file in files[:2]:
        file.write_bytes(cv2.imencode(file.suffix, bgr)[1].tobytes())
    files[2].write_bytes(b"not a picture")
    return [str(file) for file in files]


def test_each_picture_gets_its_line_its_mask_and_its_heat_map(pictures: list[str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = CliRunner().invoke(main, ["analyse", *pictures, "--out", str(out), "--device", "cpu"])
    assert done.exit_code == 0, done.output
    png, jpg, broken = (json.loads(line) for line in (out / "findings.jsonl").read_text().splitlines())
    assert (png["mask"], jpg["mask"]) == ("lesion.png_mask.png", "lesion.jpg_mask.png")
    assert png["outcome"] in ("prediction", "set")
    assert (broken["outcome"], broken["reason"]) == ("failed", "not_an_image")
    mask, heat = (cv2.imread(str(out / png[name]), cv2.IMREAD_UNCHANGED) for name in ("mask", "heatmap"))
    assert mask is not None
    assert heat is not None
    assert mask.shape == (480, 640)
    assert heat.shape == (384, 512)
    assert "heatmap" not in broken


def test_heat_maps_can_be_left_out_and_strict_fails(pictures: list[str], tmp_path: Path) -> None:
    options = ["--out", str(tmp_path / "out"), "--device", "cpu", "--heatmap", "off", "--strict"]
    assert CliRunner().invoke(main, ["analyse", *pictures[1:], *options]).exit_code == 3
    assert not list((tmp_path / "out").glob("*_heatmap.jpg"))


def test_an_unknown_bundle_is_an_error_in_one_sentence(pictures: list[str], tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["analyse", *pictures, "--out", str(tmp_path / "out"), "--classifier", "mine"])
    assert done.exit_code == 1
    assert "there is no bundle 'mine'" in done.output
    assert "Traceback" not in done.output


def test_files_of_one_name_keep_apart(tmp_path: Path) -> None:
    files = [tmp_path / "a" / "x.jpg", tmp_path / "b" / "x.jpg", tmp_path / "x.png", tmp_path / "y.jpg"]
    assert list(stems(files).values()) == ["x.jpg", "x.jpg_2", "x.png", "y"]
