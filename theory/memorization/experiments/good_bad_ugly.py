r"""Good, bad and ugly memorisation: noisy labels fitted with and without further inputs that name the rows.

The target is $f(x) = \tanh x + \tfrac12 \tanh(-5x)$ on 1000 equally spaced points of $[-1.5, 1.5]$, of which
some are trained on, with noise on their labels. Further inputs are zero everywhere but at these points, where
they are $\sigma_\epsilon z$, $z \sim N(0, I)$: names of the rows, by which a label can be memorised without
the function being bent. The network is in single precision, as in
:mod:`freeridge.solvers.perceptron`.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import equinox as eqx
import numpy as np
import xarray as xr
from jaxtyping import Float

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.fields import as_real, require, require_count
from freeridge.solvers.perceptron import Perceptron, uniform_perceptron
from freeridge.solvers.replicates import key_entropy
from freeridge.solvers.storage import provenance
from freeridge.theory.memorization.experiments.adam_fit import fit

POINTS = 1000
EDGE = 1.5
_ROWS, _WEIGHTS = 0, 1  # streams of random numbers


def target(x: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    r"""$\tanh x + \tfrac12 \tanh(-5x)$.

    Examples
    --------
    >>> target(np.array([-1.0, 0.0, 1.0])).round(4)
    array([-0.2616,  0.    ,  0.2616])
    """
    return np.tanh(x) + 0.5 * np.tanh(-5.0 * x)


class FunctionFit(eqx.Module):
    r"""The experiment; what is not given is as published.

    Parameters
    ----------
    scales : sequence of float
        $\sigma_\epsilon$ of the further inputs: 1e-4 is called good, 1e-3 bad and 0 ugly.
    rows, extra : int
        Points trained on, and further inputs.
    label_noise : float
        Standard deviation of the noise on the labels.
    width : int
        Of the two hidden layers, of tanh units.
    rate : float
        Step size of Adam, all rows in every step.
    tolerance : float
        Mean squared error at which training stops.
    epochs : int
        After which it stops at the latest.

    Examples
    --------
    >>> [weight.shape for weight in FunctionFit(width=20).beginner(key=0).weights]
    [(31, 20), (20, 20), (20, 1)]

    References
    ----------
    The Pitfalls of Memorization: When Memorization Hurts Generalization, section 5.
    """

    scales: tuple[float, ...] = eqx.field(static=True, default=(1e-4, 1e-3, 0.0), converter=tuple)
    rows: int = eqx.field(static=True, default=20)
    extra: int = eqx.field(static=True, default=30)
    label_noise: float = eqx.field(static=True, default=0.08)
    width: int = eqx.field(static=True, default=300)
    rate: float = eqx.field(static=True, default=1e-3)
    tolerance: float = eqx.field(static=True, default=1e-6)
    epochs: int = eqx.field(static=True, default=100_000)

    def __check_init__(self) -> None:
        for name in ("rows", "extra", "width", "epochs"):
            require_count(name, getattr(self, name))
        if self.rows > POINTS:
            raise InvalidSetting("rows", self.rows, f"at most the {POINTS} points there are")
        require("rate", as_real("rate", self.rate), lambda v: v > 0, "a finite number > 0")
        for name in ("label_noise", "tolerance"):
            require(name, as_real(name, getattr(self, name)), lambda v: v >= 0, "a finite number >= 0")
        if not self.scales:
            raise InvalidSetting("scales", self.scales, "one or more finite numbers >= 0")
        require("scales", as_real("scales", self.scales), lambda v: v >= 0, "finite numbers >= 0")

    def run(
        self, key: Any = 0, seeds: int = 1, report: Callable[[int, int], None] = lambda done, total: None
    ) -> xr.Dataset:
        """Train one network for every scale and seed.

        Networks of one seed share labels, initial weights and $z$, and differ in the scale alone.

        Parameters
        ----------
        key : int, sequence of int or JAX key
        seeds : int
        report : callable
            Called every 1000 epochs with the number done and the most there can be in all.

        Returns
        -------
        xarray.Dataset
            Over ``x``, the ``target``; over (``scale``, ``seed``, ``x``), the ``prediction``, which sees the
            further inputs of the rows trained on; over (``seed``, ``row``), ``x_row`` and the noisy label
            ``y_row``; over (``scale``, ``seed``), the last ``loss``, the number of ``steps``, and
            ``deviation``, the root mean square of prediction minus target over all points but the rows.

        Raises
        ------
        ImportError
            When optax is not there.
        """
        require_count("seeds", seeds)
        runs = [(k, seed) for k in range(len(self.scales)) for seed in range(seeds)]
        x = np.linspace(-EDGE, EDGE, POINTS)
        places = np.linspace(0, POINTS - 1, self.rows).astype(int)
        truth, between = target(x), np.delete(np.arange(POINTS), places)
        shape = (len(self.scales), seeds)
        prediction, loss, steps = np.zeros((*shape, POINTS)), np.zeros(shape), np.zeros(shape, np.int64)
        labels = np.zeros((seeds, self.rows))
        for done, (k, seed) in enumerate(runs):
            own = (*key_entropy(key), seed)
            rng = np.random.default_rng(np.random.SeedSequence(own, spawn_key=(_ROWS,)))
            labels[seed] = truth[places] + self.label_noise * rng.standard_normal(self.rows)
            inputs = np.zeros((POINTS, 1 + self.extra))
            inputs[:, 0] = x
            inputs[places, 1:] = self.scales[k] * rng.standard_normal((self.rows, self.extra))
            seen = inputs.astype(np.float32)
            fitted = fit(
                self.beginner(own),
                seen[places],
                labels[seed].astype(np.float32),
                rate=self.rate,
                tolerance=self.tolerance,
                epochs=self.epochs,
                report=partial(_passed_on, report, done, len(runs), self.epochs),
            )
            prediction[k, seed] = fitted.network(seen)[:, 0]
            loss[k, seed], steps[k, seed] = fitted.loss, fitted.steps
        error = prediction[..., between] - truth[between]
        return xr.Dataset(
            {
                "target": ("x", truth),
                "prediction": (("scale", "seed", "x"), prediction),
                "x_row": ("row", x[places]),
                "y_row": (("seed", "row"), labels),
                "loss": (("scale", "seed"), loss),
                "steps": (("scale", "seed"), steps),
                "deviation": (("scale", "seed"), np.sqrt(np.mean(error**2, axis=-1))),
            },
            coords={"scale": list(self.scales), "x": x},
            attrs={"parameters": provenance(self, key), "precision": "float32"},
        )

    def beginner(self, key: Any) -> Perceptron:
        """The network before training."""
        rng = np.random.default_rng(np.random.SeedSequence(key_entropy(key), spawn_key=(_WEIGHTS,)))
        return uniform_perceptron(rng, [1 + self.extra, self.width, self.width, 1], activation="tanh")


def _passed_on(report: Callable[[int, int], None], before: int, runs: int, epochs: int, now: int) -> None:
    """Epochs of one training among those of all of them."""
    report(before * epochs + now, runs * epochs)
