"""The arithmetic experiment of *A Tale of Tails*: skills learned, lost with AI data, and won back late."""

import os
from typing import Any

import equinox as eqx
import numpy as np

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.fields import preset_fields, require_count
from freeridge.theory.arithmetic.pairs import Pairs
from freeridge.theory.arithmetic.presets import PRESETS
from freeridge.theory.arithmetic.runs import run_all


class GCDExperiment(eqx.Module):
    r"""A transformer learns the greatest common divisor of two integers from their digits, several times.

    1. ``clean``: true labels. Divisors are learned in steps, products of prime powers: those read from the
       last digits first, small primes later. The network after ``generator`` examples is kept as teacher.
    2. ``AI``: from scratch, every label given by the teacher. A divisor that the teacher has not learned is
       not in the data, whatever their number.
    3. ``mixed p``: from scratch, a share p of true labels among the teacher's. What the teacher lacks is
       learned later, and only for $p > 1/2$ (see below).
    4. ``unlearning``: the network at the end of ``clean`` goes on with the teacher's labels, and loses what
       the teacher has not learned.

    All runs but the last start from the same weights and see the same pairs: they differ in labels alone.

    A teacher always gives the same wrong label $\hat g$ to a pair with divisor $g$. Under a mixture the best
    probabilities are $p$ for $g$ and $1 - p$ for $\hat g$: the most likely label of a fully trained network
    is right if $p > 1/2$, wrong if $p < 1/2$.

    Networks are trained in float32, on purpose (see :mod:`freeridge.theory.arithmetic.learning`).

    Parameters
    ----------
    preset : {"quick", "small", "paper"}
        Where fields that are not given are taken from: a few steps; minutes on one core; a GPU for days.
    base, largest, labels : int
        See :class:`freeridge.theory.arithmetic.pairs.Pairs`. The paper has 1000, 2023 and 4913 for the base.
    width, layers, heads, hidden : int
        Of the network; heads divide the width.
    batch, rate, warmup : int, float, int
        Examples per step, step size of Adam, steps over which it grows.
    examples : int
        Of every run except the last, which has as many as the teacher.
    generator : int
        Examples after which the teacher is frozen.
    every : int
        Examples between two tests and checkpoints: a multiple of the batch, dividing the other two.
    shares : sequence of float
        Shares of true labels in the runs 2 and 3; 0 is the run ``AI``.
    each : int
        Test pairs per divisor.

    Examples
    --------
    >>> GCDExperiment("small", base=6).runs
    ('clean', 'AI', 'mixed 0.91', 'mixed 0.73', 'unlearning')

    References
    ----------
    E. Dohmatob, Y. Feng, P. Yang, F. Charton, J. Kempe, A Tale of Tails, arXiv 2402.07043, section 6, Figures
    2, 4 and 28 to 32, Tables 1 to 4.
    """

    base: int = eqx.field(static=True)
    largest: int = eqx.field(static=True)
    labels: int = eqx.field(static=True)
    width: int = eqx.field(static=True)
    layers: int = eqx.field(static=True)
    heads: int = eqx.field(static=True)
    hidden: int = eqx.field(static=True)
    batch: int = eqx.field(static=True)
    rate: float = eqx.field(static=True)
    warmup: int = eqx.field(static=True)
    examples: int = eqx.field(static=True)
    generator: int = eqx.field(static=True)
    every: int = eqx.field(static=True)
    shares: tuple[float, ...] = eqx.field(static=True)
    each: int = eqx.field(static=True)

    def __init__(self, preset: str = "small", **changes: Any) -> None:
        for name, value in preset_fields(PRESETS, preset, changes).items():
            setattr(self, name, value)
        self.shares = _shares(self.shares)

    def __check_init__(self) -> None:
        for name in PRESETS["quick"]:
            if name not in ("rate", "shares"):
                require_count(name, getattr(self, name))
        _ = self.pairs  # which checks base, largest and labels
        if isinstance(self.rate, bool) or not isinstance(self.rate, int | float) or not 0 < self.rate < 1:
            raise InvalidSetting("rate", self.rate, "a step size between 0 and 1")
        if self.width % self.heads:
            raise InvalidSetting("heads", self.heads, f"a divisor of the width {self.width}")
        if self.every % self.batch:
            raise InvalidSetting("every", self.every, f"a multiple of the batch {self.batch}")
        for name in ("examples", "generator"):
            if getattr(self, name) % self.every:
                raise InvalidSetting(
                    name, getattr(self, name), f"a multiple of every = {self.every}: tests are made there"
                )
        if self.generator > self.examples:
            raise InvalidSetting("generator", self.generator, f"at most examples = {self.examples}")

    @property
    def pairs(self) -> Pairs:
        """Where operands come from."""
        return Pairs(self.base, self.largest, self.labels)

    @property
    def runs(self) -> tuple[str, ...]:
        """Names of the runs, in the order in which they are made."""
        return ("clean", *(f"mixed {share:g}" if share else "AI" for share in self.shares), "unlearning")

    @property
    def true_shares(self) -> tuple[float, ...]:
        """Share of true labels in each run."""
        return (1.0, *self.shares, 0.0)

    def run(self, folder: str | os.PathLike[str], key: Any = 0, *, progress: bool = False) -> Any:
        """Make all runs, or go on with those that an earlier call left in the folder.

        Parameters
        ----------
        folder : path
            For checkpoints, the frozen teacher and ``record.nc``. It must be empty or of this experiment.
        key : int, sequence of int or JAX key
            Seed of weights, examples and test pairs.
        progress : bool
            A line on standard error at every test.

        Returns
        -------
        xarray.Dataset
            ``accuracy`` and ``answer`` (the most frequent one) over (run, examples, divisor), ``loss``,
            ``learned`` and ``follows_rule`` over (run, examples), ``histogram`` of the answers to uniform
            pairs over (run, label), ``generator_histogram`` and the exact ``law``; NaN where a run has not
            come. The same is in ``record.nc``, with parameters, seed and versions.

        Raises
        ------
        InvalidSetting
            When the folder holds another experiment or was seeded otherwise.
        ImportError
            When optax is not there.

        Warns
        -----
        RuntimeWarning
            When interrupted (Ctrl-C): what is done is returned, and the same call goes on from there.
        """
        return run_all(self, folder, key, progress)


def _shares(values: Any) -> tuple[float, ...]:
    """Shares of true labels, each in [0, 1) and different."""
    given = [values] if np.ndim(values) == 0 else list(values)
    expected = "different shares of true labels, at least 0 and less than 1"
    if not all(isinstance(one, int | float | np.number) and not isinstance(one, bool) for one in given):
        raise InvalidSetting("shares", values, expected)
    shares = tuple(float(one) for one in given)
    if len(set(shares)) < len(shares) or not all(0 <= one < 1 for one in shares):
        raise InvalidSetting("shares", values, expected)
    return shares
