r"""Theory against simulation: one setting (:func:`validate`).

What counts is z = (simulation - theory) / standard error. Two things keep it from being standard normal, and
neither is an error of the theory. The standard error is itself estimated from R replicates, so that z follows
Student's law with R - 1 degrees of freedom; ``Agreement.scores`` translates it into normal quantiles. And the
theory is a limit: at dimension d the mean of a simulation lies off it by a multiple of 1/d. Labels averaged
exactly, a replicate fluctuates by a multiple of 1/d as well: no dimension makes that bias small against the
error of many replicates. :mod:`freeridge.solvers.extrapolation` removes it and reports what may be left.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from freeridge.solvers.parts import Columns
from freeridge.solvers.tables import aligned, jsonable
from freeridge.solvers.workers import Client, on_workers

Values = Mapping[str, np.ndarray]

_TABLES = ("theory", "simulation", "standard_error", "freedom")

# Differences and errors below this part of the largest quantity are rounding: both count as zero.
_ROUNDING = 1e-13


class FiniteSize(NamedTuple):
    """Bias of a simulation owed to its finite dimension, estimated from smaller ones; per quantity.

    Attributes
    ----------
    removed, removed_error : dict of array
        Bias at the dimension simulated, of order 1/d, that extrapolation has taken out of the simulation.
    left, left_error : dict of array
        Bias of order 1/d^2 that is left, with the standard error of this estimate.
    """

    removed: Values
    removed_error: Values
    left: Values
    left_error: Values


_NO_BIAS = FiniteSize({}, {}, {}, {})


@dataclass(frozen=True, eq=False)
class Agreement:
    """Theory, simulation and the distance between them, per quantity; every array has the shape of the path.

    Parameters
    ----------
    theory, simulation, standard_error : dict of array
        The standard error is that of the simulation.
    replicates : int
    sizes : dict of int
        Sizes simulated: n, d, features.
    freedom : dict of array
        Degrees of freedom of the standard error.
    residual, ok, message
        Those of the theory.
    finite_size : FiniteSize, optional
        Where it has been estimated.

    Examples
    --------
    >>> import numpy as np
    >>> from freeridge.solvers.agreement import Agreement
    >>> one = lambda x: {"risk": np.array(x)}
    >>> agreement = Agreement(one(0.5), one(0.53), one(0.02), 20, {"n": 200, "d": 100}, one(19.0))
    >>> print(agreement)
    quantity     theory  simulation  std error      z
    risk       0.500000    0.530000    2.0e-02  +1.50
    20 replicates at n = 200, d = 100; largest |z| 1.50
    >>> round(float(agreement.scores["risk"]), 3)  # Student's law has more in its tails
    1.439
    """

    theory: Values
    simulation: Values
    standard_error: Values
    replicates: int
    sizes: Mapping[str, int]
    freedom: Values
    residual: np.ndarray | float = 0.0
    ok: bool = True
    message: str = "certified"
    finite_size: FiniteSize | None = None

    @property
    def z(self) -> dict[str, np.ndarray]:
        """(simulation - theory) / standard error; 0 where both vanish, NaN where theory is not finite."""
        return {name: self._z(name)[0] for name in self.theory}

    @property
    def scores(self) -> dict[str, np.ndarray]:
        """The normal quantile with the probability of z; NaN where nothing fluctuates and nothing differs."""
        pairs = {name: self._z(name) for name in self.theory}
        return {
            name: np.where(still & (z == 0), np.nan, normal_score(z, self.freedom[name]))
            for name, (z, still) in pairs.items()
        }

    @property
    def worst(self) -> float:
        r"""Largest $|z|$ of all quantities and points; NaN when no z is defined."""
        values = np.abs(np.concatenate([np.ravel(z) for z in self.z.values()]))
        return float(np.nanmax(values)) if np.any(~np.isnan(values)) else float("nan")

    def __str__(self) -> str:
        z, path = self.z, any(np.ndim(value) for value in self.theory.values())
        rows = []
        for name, theory in self.theory.items():
            for point in np.ndindex(np.shape(theory)):
                place = [",".join(map(str, point))] if path else []
                rows.append([name, *place, *numbers(self, name, point), signed(z[name][point])])
        head = ["quantity", *(["point"] if path else []), "theory", "simulation", "std error", "z"]
        sizes = ", ".join(f"{name} = {size}" for name, size in self.sizes.items())
        last = f"{self.replicates} replicates at {sizes}; largest |z| {self.worst:.2f}"
        return "\n".join([aligned(head, rows), last, *([] if self.ok else [f"theory: {self.message}"])])

    def to_dict(self) -> dict[str, Any]:
        """Everything for JSON: numbers, lists, and strings for what is infinite or NaN."""
        columns = {
            "theory": self.theory,
            "simulation": self.simulation,
            "standard_error": self.standard_error,
            "z": self.z,
            **{
                f"finite_size_{part}": values
                for part, values in (self.finite_size or _NO_BIAS)._asdict().items()
            },
        }
        table = {
            name: {column: jsonable(values[name]) for column, values in columns.items() if name in values}
            for name in self.theory
        }
        return {
            "quantities": table,
            "worst": jsonable(self.worst),
            "replicates": self.replicates,
            "sizes": dict(self.sizes),
            "residual": jsonable(self.residual),
            "ok": self.ok,
            "message": self.message,
        }

    def columns(self) -> Columns:
        """All of it as named arrays, which a file or another process can hold."""
        tables = {name: getattr(self, name) for name in _TABLES}
        return {
            **{
                f"{table}/{name}": np.asarray(v)
                for table, values in tables.items()
                for name, v in values.items()
            },
            "residual": np.asarray(self.residual),
            "facts": np.array(json.dumps([self.replicates, dict(self.sizes), self.ok, self.message])),
        }

    @classmethod
    def from_columns(cls, columns: Columns) -> "Agreement":
        """The agreement with these :meth:`columns`.

        Examples
        --------
        >>> one = {"risk": np.array(0.5)}
        >>> agreement = Agreement(one, one, one, 20, {"d": 100}, one)
        >>> str(Agreement.from_columns(agreement.columns())) == str(agreement)
        True
        """
        tables: dict[str, dict[str, np.ndarray]] = {table: {} for table in _TABLES}
        for place, values in columns.items():
            table, _, name = place.partition("/")
            if name:
                tables[table][name] = values
        replicates, sizes, ok, message = json.loads(str(columns["facts"]))
        return cls(
            tables["theory"], tables["simulation"], tables["standard_error"], replicates, sizes,
            tables["freedom"], columns["residual"], ok, message,
        )  # fmt: skip

    def _z(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """z, and where nothing fluctuates."""
        theory, error = self.theory[name], self.standard_error[name]
        # Quantities of one shape are parts of one risk and share its rounding.
        peers = [value for value in self.theory.values() if np.shape(value) == np.shape(theory)]
        zero = _ROUNDING * np.max([np.where(np.isfinite(peer), np.abs(peer), 0.0) for peer in peers], axis=0)
        still = np.asarray(error <= zero)
        with np.errstate(divide="ignore", invalid="ignore"):
            difference = self.simulation[name] - theory
            z = np.where(still & (np.abs(difference) <= zero), 0.0, difference / error)
        return np.where(np.isfinite(theory), z, np.nan), still


def validate(
    setting: Any,
    replicates: int = 20,
    key: Any = 0,
    *,
    progress: bool = False,
    client: Client = None,
    workers: int | None = None,
    **options: Any,
) -> Agreement:
    """Predict and simulate one setting, and compare.

    Parameters
    ----------
    setting : RidgeMixture, ModelCollapse, ...
        Anything that answers ``predict`` and ``simulate``.
    replicates : int
        At least 2.
    key : int or JAX key
        Seed of the simulation.
    progress : bool
        Show a progress bar.
    client, workers
        Where replicates are drawn: a cluster, or processes of this machine (:func:`freeridge.on_workers`).
        Numbers do not depend on it.
    **options
        Handed to both methods, such as ``test=1``.

    Returns
    -------
    Agreement
        Disagreement raises nothing: read ``z`` or print it.

    Notes
    -----
    Theory is a limit: many replicates show in z the bias of the finite size, which larger sizes make smaller.

    Examples
    --------
    >>> import freeridge as fr
    >>> d = 60
    >>> real = fr.Population(fr.Isotropic(d), fr.RandomVector(fr.Isotropic(d, 1 / d)), 0.1, share=1.0)
    >>> agreement = fr.validate(fr.RidgeMixture([real], n=120, ridge=0.1), replicates=6, key=1)
    >>> sorted(agreement.z), agreement.worst < 5
    (['bias', 'mismatch', 'risk', 'variance'], True)
    """
    prediction = setting.predict(**options)
    with on_workers(client, workers):
        estimate = setting.simulate(key, replicates, progress=progress, **options)
    names = [name for name in prediction.quantities if name in estimate.mean]
    return Agreement(
        theory={name: np.asarray(prediction.quantities[name]) for name in names},
        simulation={name: np.asarray(estimate.mean[name]) for name in names},
        standard_error={name: np.asarray(estimate.standard_error[name]) for name in names},
        replicates=estimate.replicates,
        sizes=dict(estimate.sizes),
        freedom={name: np.full(np.shape(estimate.mean[name]), estimate.replicates - 1.0) for name in names},
        residual=np.asarray(prediction.residual),
        ok=prediction.ok,
        message=prediction.message,
    )


def normal_score(z: Any, freedom: Any) -> np.ndarray:
    """The normal quantile with the probability of z under Student's law.

    Examples
    --------
    >>> normal_score([0.0, -2.0], [3.0, 3.0]).round(3)
    array([ 0.   , -1.478])
    """
    from scipy import stats

    z = np.asarray(z, float)
    # From the tail, where probabilities keep their digits; beyond the smallest of them z stays what it is.
    tail = stats.t.sf(np.abs(z), freedom)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(tail > 0, np.sign(z) * stats.norm.isf(tail), z))


def numbers(one: Agreement, name: str, point: tuple[int, ...]) -> list[str]:
    """Theory, simulation and standard error of one point, as text."""
    theory = one.theory[name][point]
    style = ".6f" if 1e-3 < abs(theory) < 1e4 else ".5g"
    return [
        *(format(value, style) for value in (theory, one.simulation[name][point])),
        f"{one.standard_error[name][point]:.1e}",
    ]


def signed(z: Any) -> str:
    """A score as text."""
    return "nan" if np.isnan(z) else f"{z:+.2f}"
