"""A data folder in the layout of HAM10000, drawn: eight classes, several pictures of some lesions, exact outlines."""

import csv
from pathlib import Path

import cv2

from models.datasets import Split, split_of
from models.synthetic import Kind, draw

# (HAM class, ISIC 2019 class) beside the drawn kind that stands for it; the pictures only have to differ.
CLASSES = (("mel", "MEL"), ("nv", "NV"), ("bcc", "BCC"), ("akiec", "AK"), ("bkl", "BKL"), ("df", "DF"), ("vasc", "VASC"), ("akiec", "SCC"))
SIDE = 96


# Lesions of each class: every part has some of it.
SHARES = {Split.TRAIN: 8, Split.VALIDATION: 2, Split.TEST: 2}


def write_ham10000(folder: Path) -> Path:
    """``folder``/ham10000 with twelve lesions of each class, every fifth photographed twice. Returns ``folder``."""
    root = folder / "ham10000"
    for part in ("images", "masks"):
        (root / part).mkdir(parents=True)
    kinds = list(Kind)
    rows = []
    for label, (dx, isic) in enumerate(CLASSES):
        for lesion, lesion_id in enumerate(_lesions(label)):
            for shot in range(2 if lesion % 5 == 0 else 1):
                number = (label * 100 + lesion) * 2 + shot
                name = f"ISIC_{number:07d}"
                drawn = draw(seed=number, kind=kinds[label % len(kinds)], width=SIDE, height=SIDE)
                cv2.imwrite(str(root / "images" / f"{name}.jpg"), cv2.cvtColor(drawn.rgb, cv2.COLOR_RGB2BGR))
                cv2.imwrite(str(root / "masks" / f"{name}.png"), drawn.mask)
                rows.append({"image_id": name, "lesion_id": lesion_id, "dx_ham": dx, "dx_isic2019": isic, "dx_type": "histo",
                             "age": 30 + lesion, "sex": ("female", "male")[lesion % 2], "localization": "back", "has_mask": 1})  # fmt: skip
    with (root / "labels.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder


def _lesions(label: int) -> list[str]:
    left = dict(SHARES)
    chosen = []
    for number in range(1_000):
        name = f"HAM_{label}{number:03d}"
        if left[split_of(name)]:
            left[split_of(name)] -= 1
            chosen.append(name)
    return chosen
