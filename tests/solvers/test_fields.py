"""Numeric fields: what is converted, what is refused, what passes while JAX is tracing."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from freeridge.solvers.errors import Float64Required, InvalidSetting
from freeridge.solvers.fields import as_real, known, real_field, require, require_count


@pytest.mark.parametrize(
    "value",
    [1, 1.0, np.int32(1), np.float64(1.0), np.array(1), jnp.asarray(1.0), jnp.asarray(1), np.longdouble(1)],
)
def test_numbers_become_float64(value: Any) -> None:
    real = as_real("ridge", value)
    assert isinstance(real, jax.Array)
    assert real.dtype == jnp.float64
    assert float(real) == 1.0


def test_traced_numbers_in_a_list_are_an_array() -> None:
    traced = jax.jit(lambda x: as_real("values", [x, 2.0, 2 * x]))(1.0)
    np.testing.assert_array_equal(traced, [1.0, 2.0, 2.0])


@pytest.mark.parametrize("value", [[1, 2], (1.0, 2.0), np.array([1, 2]), range(1, 3)])
def test_sequences_become_arrays(value: Any) -> None:
    np.testing.assert_array_equal(as_real("values", value), [1.0, 2.0])


@pytest.mark.parametrize(
    "value", ["large", None, 1j, True, [[1.0], [1.0, 2.0]], object(), np.array(["1"]), {"a": 1.0}]
)
def test_what_is_no_real_number_is_refused(value: Any) -> None:
    with pytest.raises(InvalidSetting) as caught:
        as_real("ridge", value)
    assert caught.value.field == "ridge"
    assert str(caught.value).endswith("expected a real number or array")


@pytest.mark.parametrize("value", [np.float32(0.5), np.zeros(3, np.float16), jnp.zeros(3, jnp.float32)])
def test_less_than_float64_is_refused(value: Any) -> None:
    with pytest.raises(InvalidSetting, match="^ridge = .*: expected float64"):
        as_real("ridge", value)


def test_single_precision_mode_is_refused_before_anything_else() -> None:
    with jax.enable_x64(False), pytest.raises(Float64Required):
        as_real("ridge", 0.5)


def test_traced_values_pass() -> None:
    seen: list[Any] = []

    @jax.jit
    def square(x: jax.Array) -> jax.Array:
        real = as_real("ridge", x)
        seen.append(known(real))
        require("ridge", real, lambda v: v >= 0, "a number >= 0")
        return real**2

    assert float(square(jnp.asarray(-3.0))) == 9.0
    assert seen == [None]


@pytest.mark.parametrize(
    "value", [np.nan, np.inf, -np.inf, -1.0, np.array([0.0, -1.0]), np.array([0.0, np.nan])]
)
def test_require_names_the_value(value: Any) -> None:
    with pytest.raises(InvalidSetting) as caught:
        require("noise", value, lambda v: v >= 0, "a finite number >= 0")
    assert str(caught.value).startswith("noise = ")
    assert str(caught.value).endswith("expected a finite number >= 0")


@pytest.mark.parametrize("value", [0, -1, 2.0, True, "3", None])
def test_counts_are_positive_whole_numbers(value: Any) -> None:
    with pytest.raises(InvalidSetting) as caught:
        require_count("d", value)
    assert (caught.value.field, caught.value.expected) == ("d", "a positive whole number")
    require_count("d", 3)
    require_count("d", np.int64(3))


class Example(eqx.Module):
    """A module with one field of each kind."""

    ridge: jax.Array = real_field("ridge", default=0.5)
    features: jax.Array | None = real_field("features", default=None, optional=True)


def test_fields_of_a_module() -> None:
    empty = Example()
    assert float(empty.ridge) == 0.5
    assert empty.features is None
    assert len(jax.tree.leaves(Example(1, 2))) == 2  # type: ignore[arg-type]
    with pytest.raises(InvalidSetting, match="ridge"):
        Example(None)  # type: ignore[arg-type]
    with pytest.raises(InvalidSetting, match="features"):
        Example(1.0, "many")  # type: ignore[arg-type]


def test_modules_survive_transformations_of_their_leaves() -> None:
    stacked = jax.vmap(Example)(jnp.array([1.0, 2.0]))
    np.testing.assert_array_equal(stacked.ridge, [1.0, 2.0])
    slope = jax.grad(lambda e: e.ridge**2)(Example(3.0))  # type: ignore[arg-type]
    assert float(slope.ridge) == 6.0


def test_whole_numbers_can_be_swept() -> None:
    np.testing.assert_array_equal(jax.vmap(lambda n: as_real("n", n))(jnp.arange(3)), [0.0, 1.0, 2.0])
