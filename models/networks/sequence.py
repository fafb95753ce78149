"""A lesion over time: one picture per visit, with the days between them."""

import math

import torch
from torch import nn

from models.networks.base import Classifier, TorchvisionPart, check_pictures
from models.networks.trunks import Trunk, trunk_of

OWN = "convolutions"
BLOCKS = 4
YEAR = 365.0
HIDDEN = 64  # between what was seen and whether it progresses


class CnnLstm(Classifier):
    """Convolutions and pooling on every picture → LSTM over the visits → dense.

    Each visit enters the LSTM as its pooled map and the logarithm of the days since the visit before, log(1 + days) / log(366).
    A series may be shorter than the longest of its batch: what lies behind its length never changes its answer, in training
    neither, because only real visits pass the batch norms there. Features are the LSTM's state at the last visit, N×``units``.
    With ``progressing`` a second head reads that state beside what the last visit's pooled map has over the first one's.
    """

    HEAD = ("lstm", "fc", "progress")

    def __init__(
        self, *, classes: int, backbone: str, filters: int, units: int, layers: int, dropout: float, progressing: bool = False
    ) -> None:
        super().__init__()
        self.backbone: Trunk = Convolutions(filters) if backbone == OWN else trunk_of(backbone)
        self.lstm = nn.LSTM(self.backbone.channels + 1, units, layers, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(units, classes)
        self.width = units
        self.progress = (
            nn.Sequential(nn.Linear(units + self.backbone.channels, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 1)) if progressing else None
        )

    def forward(self, pictures: torch.Tensor, gaps: torch.Tensor | None = None, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """N×T×3×H×W → N×C logits; the rest as in ``embed``."""
        return self.classify(self.embed(pictures, gaps, lengths))

    def embed(self, pictures: torch.Tensor, gaps: torch.Tensor | None = None, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """N×T×3×H×W (or N×3×H×W: one visit) → N×units.

        ``gaps``: N×T days since the visit before, ≥ 0 (of the first visit: 0); without them all are 0. ``lengths``: N int64
        from 1 to T, the number of real visits, which come first; without them all T are real. Raises ValueError for others.
        """
        if pictures.ndim == 4:
            pictures = pictures[:, None]
        check_series(pictures, gaps, lengths)
        return self._state(self._seen(pictures, lengths), gaps, lengths)

    def answers(
        self, pictures: torch.Tensor, gaps: torch.Tensor | None = None, lengths: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """N×T×3×H×W → N×C logits of the classes and N logits of progressing, which mean nothing for a series of one visit.

        The rest as in ``embed``. Raises ValueError also where the network has no such head.
        """
        if self.progress is None:
            raise ValueError("this network does not say whether a lesion progresses: build it with the option progressing")
        check_series(pictures, gaps, lengths)
        seen = self._seen(pictures, lengths)
        state = self._state(seen, gaps, lengths)
        gained: torch.Tensor = self.progress(torch.cat([state, _last(seen, lengths) - seen[:, 0]], dim=1))
        return self.classify(state), gained[:, 0]

    def _state(self, seen: torch.Tensor, gaps: torch.Tensor | None, lengths: torch.Tensor | None) -> torch.Tensor:
        """N×T×K pooled maps → N×units, the LSTM's state at the last visit."""
        days = seen.new_zeros(seen.shape[:2]) if gaps is None else gaps.to(seen)
        states: torch.Tensor = self.lstm(torch.cat([seen, log_days(days)[:, :, None]], dim=2))[0]
        return _last(states, lengths)

    def classify(self, features: torch.Tensor) -> torch.Tensor:
        """N×units → N×C logits."""
        logits: torch.Tensor = self.fc(self.dropout(features))
        return logits

    def _seen(self, pictures: torch.Tensor, lengths: torch.Tensor | None) -> torch.Tensor:
        """N×T×3×H×W → N×T×K, zero where there is no visit (outside training: whatever the padding looks like)."""
        count, visits = pictures.shape[:2]
        flat = pictures.flatten(0, 1)
        if lengths is None or not self.training:
            pooled: torch.Tensor = self.backbone(flat).mean((2, 3))
        else:
            real = (torch.arange(visits, device=flat.device) < lengths.to(flat.device)[:, None]).flatten()
            some = self.backbone(flat[real]).mean((2, 3))
            pooled = some.new_zeros(len(flat), self.backbone.channels).masked_scatter(real[:, None], some)
        return pooled.reshape(count, visits, self.backbone.channels)

    @property
    def explain_layer(self) -> nn.Module:
        """The last convolutions; outside training their maps are N·T×K×h×w, the visits of one lesion together."""
        return self.backbone.last_layer

    def torchvision_parts(self) -> list[TorchvisionPart]:
        """The backbone, unless it is the network's own."""
        return self.backbone.torchvision_parts()


class Convolutions(Trunk):
    """Four 3×3 convolutions with batch norm, ReLU and 2×2 max pooling: ``filters`` channels, then twice as many each time."""

    def __init__(self, filters: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 3
        for block in range(BLOCKS):
            after = filters * 2**block
            layers += [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True), nn.MaxPool2d(2)]
            before = after
        self.features, self.channels = nn.Sequential(*layers), before

    def feature_map(self, pictures: torch.Tensor) -> torch.Tensor:
        """N×3×H×W → N×8·filters×H/16×W/16."""
        check_pictures(pictures, least=2**BLOCKS)
        found: torch.Tensor = self.features(pictures)
        return found

    @property
    def last_layer(self) -> nn.Module:
        """All of it."""
        return self.features

    def torchvision_parts(self) -> list[TorchvisionPart]:
        """None."""
        return []


def _last(rows: torch.Tensor, lengths: torch.Tensor | None) -> torch.Tensor:
    """N×T×K → N×K at the last real visit."""
    if lengths is None:
        return rows[:, -1]
    last = (lengths.to(rows.device).long() - 1)[:, None, None].expand(-1, 1, rows.shape[2])
    return rows.gather(1, last)[:, 0]


def log_days(days: torch.Tensor) -> torch.Tensor:
    """Days ≥ 0 → log(1 + days) / log(366): 0 at once, 1 after a year. A negative gap, a padding's, counts as 0."""
    return torch.log1p(days.clamp(min=0)) / math.log1p(YEAR)


def check_series(pictures: torch.Tensor, gaps: torch.Tensor | None, lengths: torch.Tensor | None) -> None:
    """Raises ValueError naming the cure unless the three belong together."""
    if pictures.ndim != 5 or pictures.shape[2] != 3:
        shape = "×".join(str(side) for side in pictures.shape)
        raise ValueError(f"pictures are {shape}, the network reads N×T×3×H×W or N×3×H×W: put visits before the three colours")
    if torch.compiler.is_compiling():  # while it is traced for export, the values below are not known
        return
    count, visits = pictures.shape[:2]
    if gaps is not None and gaps.shape != (count, visits):
        raise ValueError(f"gaps are {tuple(gaps.shape)}: give one number of days for each of {count}×{visits} pictures, 0 for the first")
    if lengths is None:
        return
    if lengths.shape != (count,):
        raise ValueError(f"lengths are {tuple(lengths.shape)}: give one number of visits for each of {count} series")
    if int(lengths.min()) < 1 or int(lengths.max()) > visits:
        raise ValueError(f"lengths run from {int(lengths.min())} to {int(lengths.max())}: every series has 1 to {visits} visits here")
