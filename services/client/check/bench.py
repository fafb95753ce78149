"""What every check works with: the client, a bare connection beside it, pictures, and what earlier checks have made."""

import io
import json
import random
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import httpx
from PIL import Image, ImageDraw

from services.client.check.receiver import Receiver
from services.client.client import Client
from services.client.model import Case

POLL_SECONDS = 0.5
Found = TypeVar("Found")


class CheckFailed(Exception):
    """What was expected, and what came instead."""


@dataclass(slots=True)
class Bench:
    """One run. ``run``: a word of its own, so that runs never meet. ``patience``: seconds to wait for what takes its time."""

    client: Client
    bare: httpx.Client
    folder: Path
    receiver: Receiver | None = None
    patience: float = 90.0
    run: str = field(default_factory=lambda: uuid.uuid4().hex[:10])
    cases: dict[str, UUID] = field(default_factory=dict)
    # Where the list of events stood before the run.
    cursor: str | None = None
    webhook: str | None = None

    def said(self, scenario: str) -> dict[str, Any]:
        """The JSON of a case whose script is ``scenario``; all are of the run's one patient."""
        return {
            "patient": {"reference": f"check-{self.run}", "sex": "female", "birth_year": 1980},
            "lesion": {"reference": scenario, "body_site": "forearm", "laterality": "left"},
            "reference": f"{scenario}:{self.run}",
        }

    def picture(self, name: str) -> Path:
        """A drawn lesion, the same for the same name and run, different for every other."""
        path = self.folder / f"{name}.jpg"
        if not path.exists():
            path.write_bytes(drawn(f"{self.run}/{name}"))
        return path

    def submit(self, scenario: str) -> UUID:
        """Submit the case of a scenario, once."""
        if scenario not in self.cases:
            self.cases[scenario] = self.client.submit(self.said(scenario), [self.picture(scenario)]).case_id
        return self.cases[scenario]

    def decided(self, scenario: str) -> Case:
        """The case of a scenario, once its script has decided it."""

        def look() -> Case | None:
            case = self.client.case(case_id)
            return case if case.decision else None

        case_id = self.submit(scenario)
        return self.wait(look, f"the case {scenario} is not decided")

    def wait(self, look: Callable[[], Found | None], otherwise: str) -> Found:
        """What ``look`` finds, asked again and again. CheckFailed with ``otherwise`` when the patience is over."""
        end = time.monotonic() + self.patience
        while (found := look()) is None:
            if time.monotonic() > end:
                raise CheckFailed(f"{otherwise} after {self.patience:.0f} s")
            time.sleep(POLL_SECONDS)
        return found

    def post_case(self, files: Mapping[str, bytes], *, key: str, scenario: str = "naevus", **changes: Any) -> httpx.Response:
        """A submission as a request of its own, for those that must fail."""
        return self.bare.post(
            "/v1/cases",
            data={"case": json.dumps({**self.said(scenario), **changes})},
            files=[("images", (name, data)) for name, data in files.items()],
            headers={"Idempotency-Key": key},
        )


def drawn(seed: str) -> bytes:
    """A JPEG of 640×480 pixels: skin and a brown spot."""
    chance = random.Random(seed)  # noqa: S311  (a picture, nothing secret)
    picture = Image.effect_noise((640, 480), 18).convert("RGB")
    skin = Image.blend(picture, Image.new("RGB", picture.size, (214, 170, 146)), 0.88)
    x, y = 320 + chance.randint(-60, 60), 240 + chance.randint(-40, 40)
    wide, high = chance.randint(70, 120), chance.randint(60, 100)
    brush = ImageDraw.Draw(skin)
    brush.ellipse((x - wide, y - high, x + wide, y + high), fill=(118, 74, 52))
    brush.ellipse((x - wide // 2, y - high // 2, x + wide // 3, y + high // 3), fill=(84, 48, 38))
    out = io.BytesIO()
    skin.save(out, "JPEG", quality=90)
    return out.getvalue()


def expect(condition: object, otherwise: str) -> None:
    """Raises CheckFailed where something is not as it should be."""
    if not condition:
        raise CheckFailed(otherwise)


def expect_problem(answer: httpx.Response, status: int, reason: str | None = None) -> dict[str, Any]:
    """An answer that is a problem (RFC 9457) of this status, and of this machine-readable reason where one is given."""
    kind = answer.headers.get("content-type", "")
    expect(answer.status_code == status, f"{status} was expected, {answer.status_code} came: {answer.text[:200]}")
    expect(kind.startswith("application/problem+json"), f"a problem is application/problem+json, not {kind!r}")
    body: dict[str, Any] = answer.json()
    expect(reason is None or body.get("reason") == reason, f"the reason {reason!r} was expected, {body.get('reason')!r} came")
    return body
