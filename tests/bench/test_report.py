"""The benchmark's figures, its page and its last line."""

import re
from dataclasses import replace

from infra.bench.load import Latency
from infra.bench.measure import COMPONENTS, Bare, Figures, Plan
from infra.bench.report import last_line, page

CPU = dict.fromkeys(COMPONENTS, 2.0) | {"worker": 70.0, "load generator": 3.0}
FIGURES = Figures(
    plan=Plan(images=200, rate=2.0, paced_images=60),
    image_kb=203.0,
    large_mb=3.9,
    images_per_second=15.0,
    saturated=Latency(p50=6.0, p95=11.0),
    paced=Latency(p50=0.25, p95=0.6),
    cpu_ms=CPU,
    bare=Bare(images_per_second=(19.0, 21.0), cpu_ms=(58.0, 62.0)),
    plain_images_per_second=16.0,
    drained_images_per_second=18.0,
    memory_mb=dict.fromkeys(COMPONENTS, 90.0) | {"worker": 1234.0},
    uploads_per_second=75.0,
    upload_cpu_ms={name: 4.0 for name in COMPONENTS if name not in ("worker", "beat")} | {"load generator": 3.0},
    prepare={"1024×768": {"cpu_ms": 8.0, "wall_ms": 9.0}, "6000×4000": {"cpu_ms": 33.0, "wall_ms": 34.0}},
)


def test_the_last_line_has_the_promised_form() -> None:
    assert last_line(FIGURES) == "bench: 200 images, 15.0 img/s, ratio 0.75, added 12.0 ms/image, worker 1234 MB"


def test_added_time_is_that_of_worker_and_beat_over_the_median_bare_loop() -> None:
    assert FIGURES.added_cpu_ms == 70.0 + 2.0 - 60.0
    slower = replace(FIGURES, bare=Bare(images_per_second=(10.0, 10.0), cpu_ms=(72.0, 72.0)))
    assert slower.added_cpu_ms == 0.0
    assert slower.ratio == 1.5


def test_the_page_names_its_command_and_every_component() -> None:
    text = page(FIGURES, command="make bench", machine=[("processor", "a processor, 2 cores")])
    assert "`make bench`" in text
    assert all(f"| {name} |" in text for name in COMPONENTS)
    assert "a processor, 2 cores" in text


def test_a_stopped_component_is_said_to_be_stopped() -> None:
    row = re.search(r"\| worker \| 70\.0 \| (\w+) \|", page(FIGURES, command="make bench", machine=[]))
    assert row is not None
    assert row.group(1) == "stopped"


def test_the_whole_stack_is_shown_apart_from_the_load_generator() -> None:
    whole = sum(CPU[name] for name in COMPONENTS)
    assert CPU["load generator"] > 0
    assert f"| all of the stack | {whole:.1f} |" in page(FIGURES, command="make bench", machine=[])


def test_percentiles_lie_between_the_smallest_and_the_largest() -> None:
    latency = Latency.of([0.1 * step for step in range(1, 101)])
    assert latency.p50 < latency.p95 < 10.0
