"""Labelers add, subtract and scale; the same random vector twice is one vector."""

import pickle
import subprocess
import sys
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import freeridge as fr
from freeridge.solvers.errors import InvalidSetting
from freeridge.theory.labeler import as_labeler

D = 4
A, B = fr.RandomVector(fr.Isotropic(D)), fr.RandomVector(fr.Isotropic(D))
FIXED = np.arange(4.0)


def contents(labeler: Any) -> tuple[float, float, list[float]]:
    terms = labeler.terms()
    fixed = np.zeros(D) if labeler.fixed is None else labeler.fixed
    return float(terms.get(A, 0.0)), float(terms.get(B, 0.0)), np.asarray(fixed).tolist()


@pytest.mark.parametrize(
    ("labeler", "wanted"),
    [
        pytest.param(A, (1, 0, 0), id="one"),
        pytest.param(A + B, (1, 1, 0), id="sum"),
        pytest.param(A + A, (2, 0, 0), id="twice the same"),
        pytest.param(A - B, (1, -1, 0), id="difference"),
        pytest.param(2 * A + B * 0.5, (2, 0.5, 0), id="scaled"),
        pytest.param(np.float64(2) * A, (2, 0, 0), id="scaled by NumPy"),
        pytest.param(jnp.asarray(2.0) * A, (2, 0, 0), id="scaled by JAX"),
        pytest.param(A + FIXED, (1, 0, 1), id="array on the right"),
        pytest.param(FIXED + A, (1, 0, 1), id="array on the left"),
        pytest.param(jnp.asarray(FIXED) + A, (1, 0, 1), id="JAX array on the left"),
        pytest.param(A - FIXED, (1, 0, -1), id="minus an array"),
        pytest.param(3 * (A + FIXED) - (A - B), (2, 1, 3), id="all together"),
        pytest.param(as_labeler(FIXED) * 2, (0, 0, 2), id="fixed"),
    ],
)
def test_arithmetic(labeler: Any, wanted: tuple[float, float, float]) -> None:
    first, second, fixed = contents(labeler)
    assert (first, second) == wanted[:2]
    np.testing.assert_array_equal(fixed, wanted[2] * FIXED)


def test_an_array_minus_a_labeler_and_its_opposite() -> None:
    assert contents(FIXED - A) == (-1.0, 0.0, FIXED.tolist())
    assert contents(-A)[0] == -1.0


def test_identity_is_the_object_and_not_the_covariance() -> None:
    assert A == A and A != B
    assert len({A, B, A}) == 2
    assert len((A + B - A).terms()) == 2


@pytest.mark.parametrize(
    ("make", "field"),
    [
        pytest.param(lambda: as_labeler(np.eye(2)), "labeler", id="a matrix"),
        pytest.param(lambda: as_labeler([1.0, np.nan]), "labeler", id="not a number"),
        pytest.param(lambda: as_labeler("truth"), "labeler", id="a name"),
        pytest.param(lambda: A * np.ones(4), "factor", id="scaled by a vector"),
        pytest.param(lambda: A + FIXED + np.ones(3), "labeler", id="two lengths"),
    ],
)
def test_what_is_no_labeler_is_refused(make: Any, field: str) -> None:
    with pytest.raises(InvalidSetting) as caught:
        make()
    assert caught.value.field == field


@pytest.mark.slow
def test_vectors_of_another_process_are_others() -> None:
    program = (
        "import pickle, sys, freeridge as fr\n"
        "sys.stdout.buffer.write(pickle.dumps(fr.RandomVector(fr.Isotropic(3))))"
    )
    one, other = (
        pickle.loads(subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout)
        for _ in range(2)
    )
    assert one != other and one == pickle.loads(pickle.dumps(one))
