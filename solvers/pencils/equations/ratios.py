r"""Ratios of dimensions by the names they have in the field.

$\phi = d/n$, $\gamma = m/d$ and $\psi = m/n$ for samples $n$, inputs $d$ and features $m$.
"""

from collections.abc import Iterable

import sympy

_NAMES = {("d", "n"): "phi", ("m", "d"): "gamma", ("m", "n"): "psi"}

Ratios = dict[sympy.Expr, sympy.Symbol]


def ratios_of(dimensions: Iterable[sympy.Symbol], taken: Iterable[str]) -> Ratios:
    """The ratios that have names: of dimensions called n, d and m, unless a symbol has taken the name.

    Examples
    --------
    >>> n, d = sympy.symbols("n d", positive=True)
    >>> ratios_of([n, d], [])
    {d/n: phi}
    """
    by_name = {d.name: d for d in dimensions}
    used = set(taken)
    return {
        by_name[above] / by_name[below]: sympy.Symbol(name, positive=True)
        for (above, below), name in _NAMES.items()
        if above in by_name and below in by_name and name not in used
    }


def in_ratios(expression: sympy.Expr, ratios: Ratios) -> sympy.Expr:
    """The expression with ratios of dimensions under their names.

    Examples
    --------
    >>> n, d, m = sympy.symbols("n d m", positive=True)
    >>> in_ratios(m / n + 2 * n / d + d, ratios_of([n, d, m], []))
    d + psi + 2/phi
    """
    for ratio, name in ratios.items():
        above, below = sympy.fraction(ratio)
        expression = expression.replace(
            lambda e, a=above, b=below: e.is_Mul and _power(e, a) * _power(e, b) < 0,
            lambda e, a=above, b=below, name=name: _renamed(e, a, b, name),
        )
    return expression


def _renamed(product: sympy.Expr, above: sympy.Symbol, below: sympy.Symbol, name: sympy.Symbol) -> sympy.Expr:
    top, bottom = _power(product, above), _power(product, below)
    power = min(abs(top), abs(bottom)) * (1 if top > 0 else -1)
    return product * (below / above) ** power * name**power


def _power(product: sympy.Expr, symbol: sympy.Symbol) -> sympy.Expr:
    """The rational exponent of a symbol in a product."""
    power = product.as_powers_dict().get(symbol, sympy.Integer(0))
    return power if power.is_Rational else sympy.Integer(0)
