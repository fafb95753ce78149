"""The benchmark of the networks: what is counted, what the limit is, and how it is told."""

import pytest
import torch
from torch import nn

from infra.bench.models_measure import MOBILENET_SHARE, SUBJECTS, Pair, Rate, Row, Work, peak_of, rate_of, work_of
from infra.bench.models_report import Figures, last_line, page, pair_limits, share

PEAKS = {("torch", "fp32"): 100.0, ("openvino", "fp32"): 200.0, ("torch", "bf16"): 400.0, ("openvino", "bf16"): 390.0}
RATES = {"torch-cpu-fp32": Rate(5.0, 200.0), "openvino-cpu-bf16": Rate(50.0, 20.0)}
ROWS = [Row(subject, Work(8.0, 0.0), RATES) for subject in SUBJECTS]
OUTLINE, CLASS = Work(total=3.0, mobilenet=1.0), Work(total=0.5, mobilenet=0.5)
PAIRS = [Pair(name, (("bf16", OUTLINE), ("fp32", CLASS)), Rate(rate, 10.0)) for name, rate in (("openvino", 90.0), ("torch", 40.0))]
FIGURES = Figures(cores=2, peaks=PEAKS, rows=ROWS, pairs=PAIRS)


class Product(nn.Module):
    """One linear layer: two operations for each of its weights."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Linear(3 * 8 * 8, 100, bias=False)
        self.head = nn.Linear(100, 10, bias=False)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        answer: torch.Tensor = self.head(self.encoder(pictures.flatten(1)))
        return answer


def test_a_multiplication_and_an_addition_count_as_two() -> None:
    work = work_of(Product(), architecture="product", side=8)
    assert work.total == pytest.approx(2 * (192 * 100 + 100 * 10) / 1e9)
    assert work.mobilenet == 0.0


def test_only_the_encoder_of_an_outlining_network_is_mobilenets_work() -> None:
    assert work_of(Product(), architecture="unet_mobilenet_v2", side=8).mobilenet == pytest.approx(2 * 192 * 100 / 1e9)
    whole = work_of(nn.Sequential(nn.Flatten(), nn.Linear(192, 10)), architecture="mobilenet_v2", side=8)
    assert whole.mobilenet == whole.total


def test_the_peak_is_that_of_the_better_library() -> None:
    assert (peak_of(PEAKS, "fp32"), peak_of(PEAKS, "bf16")) == (200.0, 400.0)


def test_a_share_is_of_the_peak_of_the_same_precision() -> None:
    assert share(ROWS[0], "openvino-cpu-bf16", PEAKS) == pytest.approx(50.0 * 8.0 / 400.0)
    assert share(ROWS[0], "torch-cpu-fp32", PEAKS) == pytest.approx(5.0 * 8.0 / 200.0)


def test_the_pairs_limit_adds_the_time_of_both_networks_and_gives_mobilenet_its_own_pace() -> None:
    at_peak, known = pair_limits(PAIRS[0], PEAKS)
    assert at_peak == pytest.approx(1 / (3.0 / 400.0 + 0.5 / 200.0))
    assert known == pytest.approx(1 / ((2.0 + 1.0 / MOBILENET_SHARE) / 400.0 + 0.5 / MOBILENET_SHARE / 200.0))


def test_every_thread_calls_and_every_call_counts() -> None:
    calls: list[int] = []
    found = rate_of(lambda: calls.append(1), images=8, threads=2, seconds=0.03)
    assert len(calls) > 2
    assert found.images_per_second > 0
    assert found.cpu_ms > 0


def test_the_last_line_has_the_promised_form() -> None:
    assert last_line(FIGURES) == "bench-models: default pair 90.0 img/s on openvino, 1.18 of the limit (0.90 of the GEMM peak)"


def test_the_page_names_its_command_every_network_and_what_was_not_measured() -> None:
    text = page(FIGURES, command="make bench-models", machine=[("processor", "a processor, 2 cores")])
    assert "`make bench-models`" in text
    assert all(f"| {subject.name}, {subject.side} px |" in text for subject in SUBJECTS)
    assert "| 5.0 (0.20) | – | – | 50.0 (1.00) |" in text
    assert "On the card" not in text
