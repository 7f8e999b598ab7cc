"""The perceptron: what it computes, in which precision, and how its weights are drawn."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.perceptron import normal_perceptron, uniform_perceptron


@pytest.mark.parametrize(
    ("activation", "formula"),
    [
        ("silu", lambda x: x / (1 + np.exp(-x))),
        ("relu", lambda x: np.maximum(x, 0)),
        ("tanh", np.tanh),
    ],
)
@pytest.mark.parametrize("offsets", [True, False])
def test_it_is_its_formula_for_one_example_and_for_many(activation: str, formula: Any, offsets: bool) -> None:
    network = uniform_perceptron(
        np.random.default_rng(0), [3, 6, 5, 2], activation=activation, offsets=offsets
    )
    x = np.random.default_rng(1).standard_normal((7, 3)).astype(np.float32)
    inner = x.astype(np.float64)
    shifts = network.offsets if network.offsets is not None else [jnp.zeros(())] * 3
    for layer, (weight, offset) in enumerate(zip(network.weights, shifts, strict=True)):
        inner = (inner if layer == 0 else formula(inner)) @ np.asarray(weight) + np.asarray(offset)
    assert np.allclose(network(x), inner, atol=1e-6)
    assert np.allclose(network(x[2]), inner[2], atol=1e-6)


def test_it_answers_in_the_precision_of_the_input_and_computes_in_that_of_the_weights() -> None:
    network = normal_perceptron(np.random.default_rng(0), [3, 4, 2])
    x = np.random.default_rng(1).standard_normal((5, 3)).astype(np.float32)
    assert network(x).dtype == jnp.float32 and network(x.astype(np.float64)).dtype == jnp.float64
    assert np.array_equal(network(x), network(x.astype(np.float64)))
    double = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), network)
    assert np.allclose(double(x.astype(np.float64)), network(x), atol=1e-6)
    assert not np.array_equal(double(x.astype(np.float64)), network(x.astype(np.float64)))
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(network))


def test_normal_and_uniform_weights_have_their_variances() -> None:
    # 40000 weights: the standard error of a variance is below 1 % of it.
    normal = normal_perceptron(np.random.default_rng(0), [400, 100])
    uniform = uniform_perceptron(np.random.default_rng(0), [400, 100])
    assert np.var(normal.weights[0]) == pytest.approx(1 / 400, rel=0.03)
    assert np.var(uniform.weights[0]) == pytest.approx(1 / 400 / 3, rel=0.03)
    assert np.abs(uniform.weights[0]).max() <= 1 / 20
    assert normal.offsets is not None and not np.any(normal.offsets[0])
    assert uniform.offsets is not None and 0 < np.abs(uniform.offsets[0]).max() <= 1 / 20


def test_another_activation_is_refused() -> None:
    with pytest.raises(InvalidSetting, match="one of silu, relu, tanh") as caught:
        normal_perceptron(np.random.default_rng(0), [2, 2], activation="gelu")
    assert caught.value.field == "activation"
