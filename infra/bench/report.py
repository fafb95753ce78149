"""The figures as a page and as one line."""

from collections.abc import Mapping, Sequence

from infra.bench.load import Latency
from infra.bench.measure import COMPONENTS, CONNECTIONS, UPLOAD_CONNECTIONS, Figures
from infra.bench.meter import LOAD_GENERATOR

HTTP = ("intake", "review")


def last_line(figures: Figures) -> str:
    """The line that programs read."""
    return (
        f"bench: {figures.plan.images} images, {figures.images_per_second:.1f} img/s, ratio {figures.ratio:.2f}, "
        f"added {figures.added_cpu_ms:.1f} ms/image, worker {figures.memory_mb['worker']:.0f} MB"
    )


def page(figures: Figures, *, command: str, machine: Sequence[tuple[str, str]]) -> str:
    """docs/benchmarks.md."""
    sections = (
        _introduction(command),
        "## Result\n\n" + _table(("figure", "measured", "reach"), _results(figures)),
        "## Processor time per image, by component\n\n" + _cpu(figures),
        "## Peak memory\n\n" + _memory(figures),
        "## The bare loop of this run\n\n" + _bare(figures),
        "## Machine\n\n" + _table(("what", "value"), machine),
    )
    return "\n\n".join(sections) + f"\n\n`{last_line(figures)}`\n"


def _introduction(command: str) -> str:
    return f"""# Benchmarks

Written by `{command}`; run it again to replace this page with the figures of your machine.

Pictures drawn by `models.synthetic` travel through the real stack: HTTP intake → object store → Postgres → doorbell → worker
→ rows. One case for each image. The bare loop is the worker's two networks on random pictures with the same batch size,
threads and precision in a process of its own, with nothing else: it runs before and after, and its median is the
yardstick. Processor time is user and system time of a component with all its processes. Memory is PSS (shared pages are
split between their users); RSS where the system does not tell PSS. The load generator runs on the same cores."""


def _results(figures: Figures) -> list[tuple[str, str, str]]:
    small, large = figures.prepare["1024×768"], figures.prepare["6000×4000"]
    return [
        (f"{figures.plan.images} images of {figures.image_kb:.0f} kB, end to end", f"{figures.images_per_second:.2f} img/s", ""),
        ("bare model loop", f"{figures.bare_images_per_second:.2f} img/s", ""),
        ("ratio to the bare loop", f"{figures.ratio:.2f}", "≥ 0.70"),
        ("plain loop: one thread, torch's own threads", f"{figures.plain_images_per_second:.2f} img/s", ""),
        ("ratio to the plain loop", f"{figures.images_per_second / figures.plain_images_per_second:.2f}", ""),
        ("worker alone, draining a full queue", f"{figures.drained_images_per_second:.2f} img/s", ""),
        ("its ratio to the bare loop", f"{figures.drained_images_per_second / figures.bare_images_per_second:.2f}", ""),
        ("worker's processor time over the bare loop", f"{figures.added_cpu_ms:.1f} ms/image", "≤ 15"),
        (f"latency p50 / p95 at {figures.plan.rate:g} images a second", _latency(figures.paced), ""),
        ("latency p50 / p95 with all images sent at once", _latency(figures.saturated), ""),
        ("accepted uploads, worker stopped", f"{figures.uploads_per_second:.0f} /s", "≥ 40"),
        ("peak memory of the worker", f"{figures.memory_mb['worker']:.0f} MB", "≤ 1600"),
        *((f"peak memory of {name}", f"{figures.memory_mb[name]:.0f} MB", "≤ 150") for name in HTTP),
        ("preprocessing at 1024×768, processor (wall)", f"{small['cpu_ms']:.1f} ({small['wall_ms']:.1f}) ms", "≤ 12"),
        (
            f"preprocessing at 6000×4000 ({figures.large_mb:.1f} MB JPEG), processor (wall)",
            f"{large['cpu_ms']:.1f} ({large['wall_ms']:.1f}) ms",
            "≤ 45",
        ),
    ]


def _cpu(figures: Figures) -> str:
    rows = [(name, _ms(figures.cpu_ms, name), _ms(figures.upload_cpu_ms, name)) for name in (*COMPONENTS, LOAD_GENERATOR)]
    total = sum(figures.cpu_ms[name] for name in COMPONENTS)
    upload_total = sum(figures.upload_cpu_ms.get(name, 0.0) for name in COMPONENTS)
    rows.insert(-1, ("all of the stack", f"{total:.1f}", f"{upload_total:.1f}"))
    note = (
        f"\n\nOver the bare loop's {figures.bare_cpu_ms:.1f} ms: worker and beat {figures.added_cpu_ms:+.1f} ms, "
        f"the whole stack with its servers {total - figures.bare_cpu_ms:+.1f} ms. The load generator plays the portal "
        f"({CONNECTIONS} connections end to end, {UPLOAD_CONNECTIONS} for the intake alone) and belongs to no figure."
    )
    return _table(("component", "end to end, ms", "intake alone, ms"), rows) + note


def _memory(figures: Figures) -> str:
    return _table(("component", "MB (10⁶ bytes)"), [(name, f"{figures.memory_mb[name]:.0f}") for name in COMPONENTS])


def _bare(figures: Figures) -> str:
    rows = [
        (when, f"{rate:.2f}", f"{cpu:.1f}")
        for when, rate, cpu in zip(("before", "after"), figures.bare.images_per_second, figures.bare.cpu_ms, strict=True)
    ]
    return _table(("run", "img/s", "processor, ms/image"), rows)


def _latency(latency: Latency) -> str:
    return f"{latency.p50:.2f} / {latency.p95:.2f} s"


def _ms(values: Mapping[str, float], name: str) -> str:
    return f"{values[name]:.1f}" if name in values else "stopped"


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
