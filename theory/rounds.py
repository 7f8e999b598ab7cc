"""Simulation of iterative mixing: the error of each round as an exact linear map of everything random but
the inputs.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True, eq=False)
class Rounds:
    """Rounds of ridge regression on real rows and on rows labelled by the model before.

    Parameters
    ----------
    root : array, shape (d,) or (d, d)
        Inputs are root times a standard normal vector.
    test, signal, initial : array, shape (d,) or (d, d)
        Covariance of test inputs; second moments of the truth and of the first synthetic labeler's error.
        Vectors are diagonals.
    sizes : tuple of int
        Real rows, synthetic rows, random projections (None for plain ridge).
    noise, ridge : float
        Variance of label noise; penalty of the mean squared error over all rows.

    Examples
    --------
    Real data alone, without ridge: the test error of least squares, round after round.

    >>> import numpy as np
    >>> one = np.ones(20)
    >>> experiment = Rounds(one, one, one / 20, one / 20, (60, 0, None), noise=1.0, ridge=0.0)
    >>> risks = [experiment.run(np.random.default_rng(k), 2, reuse=False) for k in range(200)]
    >>> np.abs(np.mean(risks, axis=0) - 20 / 39) < 0.05
    array([ True,  True])
    """

    root: Float[np.ndarray, "..."]
    test: Float[np.ndarray, "..."]
    signal: Float[np.ndarray, "..."]
    initial: Float[np.ndarray, "..."]
    sizes: tuple[int, int, int | None]
    noise: float
    ridge: float

    def run(self, generator: np.random.Generator, rounds: int, reuse: bool) -> Float[np.ndarray, " rounds"]:
        r"""Test risk after each round for one draw of the inputs, averaged over labels.

        The error is $D w_1 + F \delta_0 + H g + {}$independent noise of covariance $N$, $g = X_1^\top
        \epsilon_1 / n$ the noise of the real rows when they are reused; every round maps $D, F, H, N$
        linearly.
        """
        real, synthetic, _ = self.sizes
        n, d = real + synthetic, len(self.test)
        truth, start, kept, spread = np.zeros((d, d)), np.eye(d), np.zeros((d, d)), np.zeros((d, d))
        first = self._second_moment(generator, real) / n
        risks = np.empty(rounds)
        for t in range(rounds):
            if t and not reuse:
                first = self._second_moment(generator, real) / n
            second = self._second_moment(generator, synthetic) / n
            estimator = self._estimator(generator, first + second)
            carry = estimator @ second
            truth = estimator @ (first + second) - np.eye(d) + carry @ truth
            start = carry @ start
            noisy = second if reuse else first + second
            spread = carry @ spread @ carry.T + self.noise / n * estimator @ noisy @ estimator
            if reuse:
                kept = estimator + carry @ kept
            risks[t] = (
                self._risk(truth, self.signal)
                + self._risk(start, self.initial)
                + self._risk(kept, self.noise / n * first)
                + self._risk(np.eye(d), spread)
            )
        return risks

    def _second_moment(self, generator: np.random.Generator, rows: int) -> Float[np.ndarray, "d d"]:
        standard = generator.standard_normal((rows, len(self.test)))
        inputs = standard * self.root if self.root.ndim == 1 else standard @ self.root.T
        return inputs.T @ inputs

    def _estimator(
        self, generator: np.random.Generator, total: Float[np.ndarray, "d d"]
    ) -> Float[np.ndarray, "d d"]:
        """$S (S^\\top M S + \\lambda)^{-1} S^\\top$, at ridge 0 its limit."""
        d, features = len(total), self.sizes[2]
        mixing = None if features is None else generator.standard_normal((d, features)) / np.sqrt(d)
        inner = total if mixing is None else mixing.T @ total @ mixing
        if self.ridge:
            inverse = np.linalg.inv(inner + self.ridge * np.eye(len(inner)))
        else:
            inverse = np.linalg.pinv(inner, rcond=1e-12, hermitian=True)
        return inverse if mixing is None else mixing @ inverse @ mixing.T

    def _risk(self, operator: Float[np.ndarray, "d d"], second_moment: Float[np.ndarray, "..."]) -> float:
        diagonal = second_moment.ndim == 1
        spread = operator * second_moment if diagonal else operator @ second_moment
        tested = self.test[:, None] * operator if self.test.ndim == 1 else self.test @ operator
        return float(np.sum(spread * tested))
