"""From expressions to one linear pencil.

A trace does not change when its factors go round. It is cut open where that takes the fewest unknowns in the
end, so that traces derived together have as much in common as they can.
"""

import copy
from collections.abc import Mapping

import sympy

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.pencils.dyson import INVERTIBLE, DysonEquation, SingularPencil, dyson_equation
from freeridge.solvers.pencils.expressions import ONE, Dimension, Matrix, Product, Scaled, Sum
from freeridge.solvers.pencils.flow import Flow, Form
from freeridge.solvers.pencils.merging import merge
from freeridge.solvers.pencils.pencil import Pencil, Readout
from freeridge.solvers.pencils.traces import Traces
from freeridge.solvers.pencils.words import EMPTY

# So many blocks above the fewest are tried, in the hope of fewer unknowns.
_MORE_BLOCKS = 1


def linearize(wanted: Mapping[str, Traces]) -> Pencil:
    """One pencil for all traces, with blocks shared among them.

    Raises
    ------
    InvalidSetting
        When an inverse does not exist without the Gaussians.
    """
    growing = _Growing()
    for name, traces in wanted.items():
        growing.readouts[name] = []
        for factor, matrix in _expanded(traces):
            growing = _cheapest(growing, name, factor, matrix)
        if traces.constant != 0:
            growing.readouts[name].append(Readout(traces.constant, EMPTY, ONE))
    growing.equation()
    return growing.pencil()


def _expanded(traces: Traces) -> list[tuple[sympy.Expr, Matrix]]:
    """Traces of sums as sums of traces, scalar factors outside."""
    found = []
    pending = [(coefficient, matrix) for matrix, coefficient in traces.terms]
    while pending:
        factor, matrix = pending.pop(0)
        match matrix:
            case Sum():
                pending = [(factor, term) for term in matrix.terms] + pending
            case Scaled():
                pending = [(factor * matrix.factor, matrix.inner), *pending]
            case _:
                found.append((factor, matrix))
    return found


class _Growing:
    """A pencil with what has been asked of it so far."""

    def __init__(self) -> None:
        self.flow = Flow()
        self.readouts: dict[str, list[Readout]] = {}

    def with_trace(self, name: str, factor: sympy.Expr, cut: tuple[Matrix, ...]) -> "_Growing":
        """The same with one more trace, of the product of some factors."""
        other = _Growing()
        other.flow = copy.copy(self.flow)
        start: Dimension = cut[-1].shape[1]
        form: Form = other.flow.readable(other.flow.apply_all(cut, {(start, EMPTY): ONE}), start)
        other.readouts = {known: list(found) for known, found in self.readouts.items()}
        other.readouts[name] += other.flow.readouts(factor, start, form)
        return other

    def equation(self) -> DysonEquation:
        """Of the pencil as it stands; refused with the inverse that does not exist."""
        try:
            return dyson_equation(self.pencil())
        except SingularPencil as error:
            singular = self.flow.inverses.get(error.row, error.value)
            raise InvalidSetting("inv", singular, INVERTIBLE) from None

    def pencil(self) -> Pencil:
        """As it stands."""
        return Pencil(
            tuple(self.flow.dimensions),
            self.flow.entries(),
            {name: tuple(found) for name, found in self.readouts.items()},
        )


def _cheapest(growing: _Growing, name: str, factor: sympy.Expr, matrix: Matrix) -> _Growing:
    """The pencil with one more trace, cut open where it costs least.

    A factor of rank one is cut first, since what is left is then a number and not a trace of small rank.
    """
    factors = matrix.factors if isinstance(matrix, Product) else (matrix,)
    cuts = [factors[i:] + factors[:i] for i in range(len(factors))]
    thin = [cut for cut in cuts if cut[0].shape[0] == ONE]
    trials = [growing.with_trace(name, factor, cut) for cut in thin or cuts]
    fewest = min(len(trial.flow.dimensions) for trial in trials)
    small = [trial for trial in trials if len(trial.flow.dimensions) <= fewest + _MORE_BLOCKS]
    return small[0] if len(small) == 1 else min(small, key=_cost)


def _cost(trial: _Growing) -> tuple[int, int, int]:
    """Unknowns, blocks, and terms in the blocks."""
    unknowns = len(merge(trial.equation()).representatives)
    return unknowns, len(trial.flow.dimensions), sum(map(len, trial.flow.rows))
