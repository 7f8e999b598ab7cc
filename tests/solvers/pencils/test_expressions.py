"""The language: shapes, arithmetic, what it prints, and what it refuses."""

import numpy as np
import pytest
import sympy

import freeridge as fr
from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.pencils.words import polynomial, show_polynomial

n, d, m = fr.dims("n d m")
lam = fr.scalar("lambda")
X = fr.gaussian("X", n, d, variance=1 / n)
S = fr.gaussian("S", d, m, variance=1 / d)
Sigma = fr.deterministic("Sigma", d)
w = fr.vector("w", d)


def test_expressions_read_as_on_paper() -> None:
    ridge = (S.T @ X.T @ X @ S + lam).inv()
    assert str(S @ ridge @ S.T) == "S @ (S.T @ X.T @ X @ S + lambda*I_m).inv() @ S.T"
    assert str(1 - lam * Sigma) == "-lambda*Sigma + I_d"
    assert str((X.T @ X) ** 2) == "X.T @ X @ X.T @ X"
    assert str(Sigma**-1) == "Sigma.inv()"


def test_shapes_follow_from_the_operands() -> None:
    assert (X @ S).shape == (n, m)
    assert (X @ w).shape == (n, 1)
    assert (w.T @ Sigma @ w).shape == (1, 1)
    assert (X @ S).T == S.T @ X.T
    assert (X.T @ X + 2).T == X.T @ X + 2


def test_numbers_on_either_side() -> None:
    assert np.float64(2.0) * X == X * 2 == 2 * X
    assert 1 - Sigma == 1 + -1 * Sigma == np.float64(1.0) - Sigma
    assert X / n == X * (1 / n)
    assert 0 + Sigma == Sigma
    assert sum([Sigma, Sigma @ Sigma]) == Sigma + Sigma @ Sigma
    assert fr.identity(n) @ X == X


def test_words_merge_powers_of_one_matrix() -> None:
    root = fr.sqrt(Sigma)
    assert polynomial(root @ root) == polynomial(Sigma)
    assert polynomial(root @ Sigma.inv() @ root) == {(): sympy.Integer(1)}
    assert polynomial(Sigma @ (2 * Sigma).inv()) == {(): sympy.Rational(1, 2)}
    assert show_polynomial(polynomial((Sigma + 1).inv() @ Sigma).items()) == "(I + Sigma)^-1 Sigma"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: X @ X, ["X @ X", "d columns", "n rows"]),
        (lambda: X + S, ["X (n x d)", "S (d x m)"]),
        (lambda: X + 1, ["X (n x d)", "not square"]),
        (lambda: X.inv(), ["square", "X (n x d)"]),
        (lambda: X * X, ["@"]),
        (lambda: X / Sigma, [".inv()"]),
        (lambda: X @ np.eye(2), ["a matrix on the right of X (n x d)"]),
        (lambda: X**2, ["square"]),
        (lambda: (X.T @ X) ** sympy.Rational(1, 2), ["deterministic"]),
        (lambda: fr.sqrt(X.T @ X), ["deterministic"]),
        (lambda: np.tanh(X), ["tanh", "non-linear"]),
        (lambda: np.linalg.inv(Sigma), ["numpy", ".inv()"]),
        (lambda: np.sign(X), ["sign", "non-linear"]),
        (lambda: X + "1", ["'1'"]),
        (lambda: X * float("nan"), ["nan", "finite"]),
        (lambda: X * 1j, ["1j", "complex value"]),
        (lambda: fr.trace(X), ["trace", "square", "n x d"]),
        (lambda: fr.quadratic_form(Sigma, Sigma), ["left", "column vector"]),
        (lambda: fr.trace(Sigma) * fr.trace(Sigma), ["scalar"]),
        (lambda: fr.gaussian("Z", 3, d), ["rows = 3", "fr.dims"]),
        (lambda: fr.gaussian("Z", n, d, variance=-1), ["variance = -1", "positive"]),
        (lambda: fr.gaussian("2Z", n, d), ["name = '2Z'"]),
        (lambda: fr.dims("n n"), ["different names"]),
        (lambda: fr.derive(), ["a trace"]),
        (lambda: fr.derive(X), ["value = X", "fr.trace"]),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(make, words) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InvalidSetting) as refusal:
        make()
    for word in words:
        assert word in str(refusal.value)


@pytest.mark.parametrize(
    "expression",
    [
        (X.T @ X).inv(),
        (X @ S).T.T @ (S.T @ X.T @ X @ S).inv() @ (X @ S).T,
        (Sigma - Sigma).inv() @ X.T @ X,
    ],
)
def test_singular_without_randomness_is_refused(expression) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InvalidSetting, match="without the Gaussians|not zero"):
        fr.derive(fr.trace(expression))


def test_the_inverse_that_does_not_exist_is_named() -> None:
    with pytest.raises(InvalidSetting, match=r"inv = \(X.T @ X\).inv\(\): expected an inverse that exists"):
        fr.derive(fr.trace(Sigma @ (X.T @ X).inv() @ Sigma))


def test_scalars_stand_in_front_wherever_they_were_written() -> None:
    a = fr.scalar("a")
    assert a * w @ w.T == a * (w @ w.T) == w @ (a * w.T)
    assert str(fr.sqrt(1 + a * w @ w.T)) == "(a*(w @ w.T) + I_d)**(1/2)"
