"""The ImageNet settings of the paper as plain configurations; nothing of that size is run here.

Two remarks on what is printed. The batch is taken to be that of each GPU: with 64 images in all, 50,000
iterations are 40 epochs of 80,000 images, and the cool-down of that run branches off at epoch 662. And the
row of Table 4 with $N$ = 130,000, $P$ = 64,000, $k$ = 27 prints a total of 1.794 million, which is that of 26
rounds; 27 make 1.858 million.
"""

import dataclasses
from typing import Any

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.fields import require_count


def _require_between(name: str, value: Any, low: float, high: float) -> None:
    good = isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
    if not good:
        raise InvalidSetting(name, value, f"a number from {low:g} to {high:g}")


@dataclasses.dataclass(frozen=True)
class ImageNetTraining:
    """How a vision transformer was trained on generated images.

    Parameters
    ----------
    dataset : str
        ``ImageNet-100`` or ``ImageNet-1k``, whose images validate.
    iterations : int
        Steps of a run in the tables on scaling.
    batch, processors : int
        Images of a step on each of so many GPUs.
    rate : float
        Step size of AdamW while it stays.
    warmup, cooldown : float
        Shares of the iterations in which it grows, and falls along half a cosine.
    smoothing, mixup, cutmix : float
        Label smoothing, and the parameters of Mixup and of CutMix.
    averaging : float
        Weight of the newest parameters in their running average.
    scale : float
        Of classifier-free guidance.
    model : str
    """

    dataset: str
    iterations: int
    batch: int
    rate: float
    processors: int = 32
    warmup: float = 0.1
    cooldown: float = 0.2
    smoothing: float = 0.11
    mixup: float = 0.5
    cutmix: float = 1.0
    averaging: float = 0.001
    scale: float = 3.0
    model: str = "ViT-B"

    def __post_init__(self) -> None:
        for name in ("iterations", "batch", "processors"):
            require_count(name, getattr(self, name))
        for name in ("rate", "warmup", "cooldown", "smoothing", "mixup", "cutmix", "averaging"):
            _require_between(name, getattr(self, name), 0.0, 1.0)
        _require_between("scale", self.scale, 0.0, float("inf"))
        if self.warmup + self.cooldown > 1:
            raise InvalidSetting("warmup", self.warmup, f"at most 1 - cooldown = {1 - self.cooldown:g}")

    @property
    def gradients(self) -> int:
        """Images that a run takes gradients of."""
        return self.iterations * self.batch * self.processors


@dataclasses.dataclass(frozen=True)
class ImageNetRun:
    """A row of the tables: how the pool grew, and the accuracy printed for it.

    Parameters
    ----------
    training : ImageNetTraining
    initial, added, rounds : int
        $N$, $P$, $k$; static runs have no rounds.
    patience : int, optional
        $T_max$ of the first round, where it is printed; it grows by one at every round.
    strength : float
        Of the guidance by entropy.
    validation : float
        Accuracy on the validation images, in percent.
    epoch : int, optional
        From which the cool-down branched off, where it is printed.

    Examples
    --------
    >>> best = max(practised("ImageNet-100"), key=lambda run: run.validation)
    >>> best.total, best.validation
    (3138000, 68.88)
    """

    training: ImageNetTraining
    initial: int
    added: int
    rounds: int
    validation: float
    patience: int | None = None
    strength: float = 0.05
    epoch: int | None = None

    def __post_init__(self) -> None:
        require_count("initial", self.initial)
        for name in ("added", "rounds"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                raise InvalidSetting(name, value, "a whole number >= 0")
        if (self.added == 0) != (self.rounds == 0):
            raise InvalidSetting("added", self.added, "images to add when there are rounds, and only then")
        for name in ("patience", "epoch"):
            if getattr(self, name) is not None:
                require_count(name, getattr(self, name))
        _require_between("strength", self.strength, 0.0, float("inf"))
        _require_between("validation", self.validation, 0.0, 100.0)

    @property
    def total(self) -> int:
        """Images generated."""
        return self.initial + self.rounds * self.added


TRAINING = {
    "ImageNet-100": ImageNetTraining("ImageNet-100", iterations=50_000, batch=64, rate=0.003),
    "ImageNet-1k": ImageNetTraining("ImageNet-1k", iterations=100_000, batch=128, rate=0.0016),
}

# (N, P, k, first patience, epoch of the branch, validation accuracy), images in thousands.
_PRACTISED: dict[str, tuple[tuple[int, int, int, int | None, int | None, float], ...]] = {
    "ImageNet-100": (
        (32, 16, 3, 6, 662, 59.48),
        (32, 16, 4, 6, 701, 60.54),
        (32, 16, 5, 6, 767, 61.80),
        (32, 16, 6, 6, 859, 62.68),
        (32, 16, 8, 6, 951, 64.40),
        (64, 32, 6, 4, 469, 65.52),
        (64, 32, 8, 4, 606, 66.28),
        (64, 32, 11, 4, 782, 66.92),
        (64, 32, 18, 4, 1001, 67.80),
        (130, 130, 6, 14, None, 68.28),
        (130, 64, 27, 5, 494, 68.46),
        (130, 64, 47, 5, 618, 68.88),
    ),
    "ImageNet-1k": (
        (160, 160, 1, None, 134, 42.572),
        (320, 160, 1, None, 191, 44.880),
        (320, 320, 1, None, 71, 47.910),
        (654, 654, 1, None, 124, 50.226),
        (654, 654, 2, None, 156, 50.670),
        (1300, 650, 10, None, 246, 50.908),
        (654, 654, 19, None, None, 51.198),
    ),
}
_STATIC = {
    "ImageNet-100": ((64, 56.56), (130, 59.44), (260, 60.02), (400, 61.92), (2000, 62.16), (4000, 62.32)),
    "ImageNet-1k": (
        (320, 39.334), (654, 42.514), (1300, 44.116), (2600, 45.006), (10_000, 45.614), (13_000, 45.628),
    ),
}  # fmt: skip


def practised(dataset: str) -> tuple[ImageNetRun, ...]:
    """The runs of deliberate practice in Table 4 (ImageNet-100) or Table 5 (ImageNet-1k)."""
    training = _training(dataset)
    return tuple(
        ImageNetRun(training, 1000 * n, 1000 * p, k, accuracy, patience, epoch=epoch)
        for n, p, k, patience, epoch, accuracy in _PRACTISED[dataset]
    )


def static(dataset: str) -> tuple[ImageNetRun, ...]:
    """The runs on images generated at once, in the same tables."""
    training = _training(dataset)
    return tuple(
        ImageNetRun(training, 1000 * n, 0, 0, accuracy, strength=0.0) for n, accuracy in _STATIC[dataset]
    )


def _training(dataset: Any) -> ImageNetTraining:
    if dataset not in TRAINING:
        raise InvalidSetting("dataset", dataset, "one of " + ", ".join(TRAINING))
    return TRAINING[dataset]
