"""The errors at the door say which field, which value, what would be right, in one line."""

import pickle
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from freeridge.solvers.errors import Float64Required, InvalidSetting, require_float64, shorten


def test_message_names_field_value_and_remedy() -> None:
    error = InvalidSetting("ridge", -0.1, "a finite number >= 0")
    assert str(error) == "ridge = -0.1: expected a finite number >= 0"
    assert (error.field, error.value, error.expected) == ("ridge", -0.1, "a finite number >= 0")
    assert isinstance(error, ValueError)


@pytest.mark.parametrize("error", [InvalidSetting("n", 0, "a number > 0"), Float64Required()])
def test_survives_the_way_back_from_a_worker_process(error: InvalidSetting) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.5, "0.5"),
        (None, "None"),
        ("gauss", "'gauss'"),
        (np.float64("nan"), "nan"),
        (np.int32(3), "3"),
        (jnp.asarray(2.0), "2.0"),
        (np.array([0.5, 0.6]), "[0.5 0.6] (shape (2,), float64)"),
        (np.arange(300.0), "[0. 1. ... 298. 299.] (shape (300,), float64)"),
        (np.array([[1, -1], [-1, 1]]), "[[1 -1] [-1 1]] (shape (2, 2), int64)"),
        (np.zeros((300, 300)), "array (shape (300, 300), float64)"),
        ((np.float64(0.5), 0.25), "[0.5, 0.25]"),
        (list(range(9)), "[0, 1, 2, 3, 4, 5, ... 9 in all]"),
    ],
)
def test_shorten(value: object, text: str) -> None:
    assert shorten(value) == text


@pytest.mark.parametrize("value", [np.zeros((50, 2, 50)), "x" * 5000, {"a": "\n" * 40, "b": [1] * 500}])
def test_long_values_stay_on_one_line(value: object) -> None:
    text = shorten(value)
    assert len(text) <= 80
    assert "\n" not in text


def test_traced_values_can_be_named() -> None:
    seen: list[str] = []

    @jax.jit
    def record(x: jax.Array) -> jax.Array:
        seen.append(str(InvalidSetting("shares", x, "positive numbers")))
        return x

    record(jnp.ones(3))
    assert seen == ["shares = traced array (shape (3,), float64): expected positive numbers"]


def test_float64_is_accepted() -> None:
    require_float64()


def test_float32_is_refused_with_the_line_to_run() -> None:
    with jax.enable_x64(False), pytest.raises(Float64Required) as caught:
        require_float64()
    message = str(caught.value)
    assert 'jax.config.update("jax_enable_x64", True)' in message
    assert "JAX_ENABLE_X64=1" in message


def test_importing_the_errors_is_cheap() -> None:
    code = "import sys, freeridge.solvers.errors; print({'jax', 'numpy'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"
