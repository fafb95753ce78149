"""``python -m infra.bench.first_view``: how soon a 24 MP picture is on the screen of a real browser, also on a new desk."""

import argparse
import io
import shlex
import shutil
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, sync_playwright
from sqlalchemy import NullPool, create_engine, text

from infra.bench.machine import ROOT, describe
from infra.bench.models_report import table
from infra.demo.cases import Submission, Upload
from infra.demo.portal import Accepted, Portal
from infra.local import LocalStack, LocalStackError, browser
from infra.local.seed import EMAIL, seed
from models.synthetic import Kind, draw

PAGE = ROOT / "docs" / "benchmarks-first-view.md"
SIZE = (6000, 4000)
REACH = 1000
TILED_WITHIN_S = 120
# The time at which the whole picture was first on the screen, in whatever size.
WATCH = """document.addEventListener("load", (event) => {
    if (event.target.matches?.("[data-first-look]")) window.firstView = performance.now();
}, true)"""


class FirstViewError(Exception):
    """The picture never came to the screen; the message says how far it came."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Milliseconds from opening the page until the picture is there: the first page of a desk's life, then others."""

    first: float
    later: tuple[float, ...]


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when the views were measured."""
    options = _options(arguments)
    executable = browser.find()
    if executable is None:
        print("bench-first-view: no Chromium: install it from your system's packages", file=sys.stderr)
        return 1
    try:
        figures = run(folder=options.folder, executable=str(executable), rounds=options.rounds)
    except (LocalStackError, FirstViewError) as error:
        print(f"bench-first-view: {error}", file=sys.stderr)
        return 1
    given = sys.argv[1:] if arguments is None else list(arguments)
    command = shlex.join(["python", "-m", "infra.bench.first_view", *given]) if given else "make bench-first-view"
    options.out.write_text(page(figures, command=command), encoding="utf-8")
    print(f"written to {options.out}\n{last_line(figures)}", flush=True)
    return 0


def run(*, folder: Path, executable: str, rounds: int) -> Figures:
    """Send a drawn picture through a stack of its own, start the desk anew, and look."""
    shutil.rmtree(folder, ignore_errors=True)
    with LocalStack(folder) as stack:
        stack.start_processes()
        case_id = tiled_case(stack)
    # The stack starts again on its data: nobody has asked this desk for anything yet.
    with LocalStack(folder) as stack, sync_playwright() as driver:
        stack.start_processes()
        password, address = seed(stack).password, stack.address("review")
        chromium = driver.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        views = [view(chromium, address=address, password=password, case_id=case_id) for _ in range(rounds + 1)]
        chromium.close()
    shutil.rmtree(folder)
    return Figures(views[0], tuple(views[1:]))


def tiled_case(stack: LocalStack) -> str:
    """Submit the picture as a portal does, and wait until the worker has made its tiles. Returns the case's id."""
    submission = Submission({"patient": {"reference": "P-1"}}, (Upload("large.jpg", large_jpeg),))
    with Portal(address=stack.address("intake"), api_key=seed(stack).api_key) as portal:
        accepted = portal.submit(submission)
    if not isinstance(accepted, Accepted):
        raise FirstViewError(f"the intake refused the picture: {accepted.detail}")
    engine = create_engine(stack.database_url("superuser"), poolclass=NullPool)
    with engine.connect() as connection:
        for _ in range(TILED_WITHIN_S * 2):
            if connection.scalar(text("SELECT bool_and(tiles_key IS NOT NULL) FROM images")):
                return str(accepted.case_id)
            connection.rollback()
            time.sleep(0.5)
    raise FirstViewError(f"no tiles within {TILED_WITHIN_S} s")


def large_jpeg() -> bytes:
    """A drawn lesion with the grain of a camera, 6000×4000."""
    drawn = Image.fromarray(draw(seed=3, kind=Kind.MELANOMA).rgb).resize(SIZE, Image.Resampling.BICUBIC)
    grain = np.random.default_rng(1).normal(0, 3, (SIZE[1] // 4, SIZE[0] // 4)).repeat(4, 0).repeat(4, 1)[..., None]
    out = io.BytesIO()
    Image.fromarray(np.clip(np.asarray(drawn, np.float32) + grain, 0, 255).astype(np.uint8)).save(out, "JPEG", quality=90)
    return out.getvalue()


def view(chromium: Browser, *, address: str, password: str, case_id: str) -> float:
    """Sign in with an empty cache and open the case; ms until the picture is on the screen."""
    with chromium.new_context(viewport={"width": 1440, "height": 900}) as context:
        sheet = context.new_page()
        sheet.goto(f"{address}/sign-in")
        sheet.get_by_label("E-mail").fill(EMAIL)
        sheet.get_by_label("Password").fill(password)
        sheet.get_by_role("button", name="Sign in", exact=True).click()
        sheet.wait_for_load_state("networkidle")
        sheet.add_init_script(WATCH)
        sheet.goto(f"{address}/cases/{case_id}")
        sheet.wait_for_function("window.firstView")
        return float(sheet.evaluate("window.firstView"))


def last_line(figures: Figures) -> str:
    """The line that programs read."""
    return (
        f"first view: 24 MP, new desk {figures.first:.0f} ms, later {statistics.median(figures.later):.0f} ms, {len(figures.later)} views"
    )


def page(figures: Figures, *, command: str) -> str:
    """docs/benchmarks-first-view.md."""
    lines = [
        ("the first page that a desk is asked for after its start", f"{figures.first:.0f}"),
        ("later ones: median", f"{statistics.median(figures.later):.0f}"),
        ("later ones: longest", f"{max(figures.later):.0f}"),
    ]
    return f"""# How soon a large picture is seen

Written by `{command}`; run it again, on a machine that does nothing else, to replace this page with its figures.

A drawn picture of {SIZE[0]}×{SIZE[1]} pixels went through the whole pipeline. Chromium, signed in, with an empty cache of its own for
each view, opens its case page on the same machine; measured from the navigation until the whole picture is on the screen. The reach is
{REACH} ms. {len(figures.later)} views after the first.

{table(("view", "ms"), lines)}

## Machine

{table(("what", "value"), describe())}

`{last_line(figures)}`
"""


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m infra.bench.first_view", description=__doc__)
    parser.add_argument("--rounds", type=int, default=10, help="views after the first (10)")
    parser.add_argument("--folder", type=Path, default=ROOT / ".local" / "bench" / "first-view", help="where the stack keeps its data")
    parser.add_argument("--out", type=Path, default=PAGE, help="the page to write")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
