"""The pictures of the benchmark, drawn once and kept."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from infra.demo.cases import draw_numbered, encode

WIDTH, HEIGHT = 1024, 768
# Distinct pictures; a run of more images sends them again. Nothing in the pipeline remembers a file's content.
DISTINCT = 50
# What cameras and phones write by default at this size: about 4 MB.
LARGE, LARGE_QUALITY = (6000, 4000), 90


def drawn_pictures(folder: Path, *, images: int) -> list[bytes]:
    """Up to 50 distinct JPEGs (1024×768, quality 95, about 200 kB)."""
    folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(lambda number: _kept(folder / f"{number:03d}.jpg", number), range(min(images, DISTINCT))))


def large_picture(folder: Path) -> Path:
    """One JPEG of 24 megapixels, as a phone or a camera sends it."""
    path = folder / "24mp.jpg"
    if not path.exists():
        path.write_bytes(encode(draw_numbered(1, width=LARGE[0], height=LARGE[1]).rgb, ".jpg", jpeg_quality=LARGE_QUALITY))
    return path


def _kept(path: Path, number: int) -> bytes:
    if not path.exists():
        path.write_bytes(encode(draw_numbered(number, width=WIDTH, height=HEIGHT).rgb, ".jpg"))
    return path.read_bytes()
