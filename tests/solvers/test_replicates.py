"""Streams, statistics, interruption and input checks of the replicate runners."""

import _thread
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.replicates import key_entropy, pick_backend, run_replicates, run_replicates_jax


def normals(rng: np.random.Generator) -> dict[str, Any]:
    # A pause of random length: the order in which replicates finish differs from run to run.
    time.sleep(float(np.random.default_rng().uniform(0, 2e-3)))
    draw = rng.standard_normal(3)
    return {"draw": draw, "first": draw[0]}


def test_mean_and_standard_error() -> None:
    mean, error, values = run_replicates(normals, key=0, replicates=50)
    assert values["draw"].shape == (50, 3) and values["first"].shape == (50,)
    np.testing.assert_allclose(mean["draw"], values["draw"].mean(0))
    np.testing.assert_allclose(error["draw"], values["draw"].std(0, ddof=1) / 50**0.5)
    assert abs(mean["first"] / error["first"]) < 4


def test_workers_do_not_change_a_bit() -> None:
    runs = [run_replicates(normals, key=[3, 5], replicates=20, workers=workers) for workers in (1, 2, 7)]
    for run in runs[1:]:
        np.testing.assert_array_equal(run.values["draw"], runs[0].values["draw"])


def test_streams_are_those_of_seed_sequence() -> None:
    values = run_replicates(normals, key=11, replicates=4).values["draw"]
    for r in range(4):
        rng = np.random.default_rng(np.random.SeedSequence(11, spawn_key=(r,)))
        np.testing.assert_array_equal(values[r], rng.standard_normal(3))
    # More replicates continue a run, and another key starts a different one.
    np.testing.assert_array_equal(run_replicates(normals, key=11, replicates=6).values["draw"][:4], values)
    assert not np.any(run_replicates(normals, key=12, replicates=4).values["draw"] == values)


def test_jax_keys_and_integers() -> None:
    import jax

    assert key_entropy(jax.random.key(9)) == key_entropy(jax.random.PRNGKey(9)) == (0, 9)
    assert key_entropy(np.int64(4)) == key_entropy(4) == (4,)
    assert key_entropy(2**100) == (2**100,)


@pytest.mark.parametrize("key", [-1, 1.5, "seed", True, [], [1, -2], [1, 2.0], None])
def test_bad_keys_are_refused(key: Any) -> None:
    with pytest.raises(InvalidSetting, match="key"):
        run_replicates(normals, key=key, replicates=2)


@pytest.mark.parametrize("replicates", [1, 0, -3, True])
def test_too_few_replicates_are_refused(replicates: int) -> None:
    with pytest.raises(InvalidSetting, match="replicates"):
        run_replicates(normals, key=0, replicates=replicates)
    with pytest.raises(InvalidSetting, match="replicates"):
        run_replicates_jax(lambda key: {}, key=0, replicates=replicates)


def test_other_settings_are_refused() -> None:
    with pytest.raises(InvalidSetting, match="workers"):
        run_replicates(normals, key=0, replicates=2, workers=0)
    with pytest.raises(InvalidSetting, match="batch"):
        run_replicates_jax(lambda key: {}, key=0, replicates=2, batch=0)
    with pytest.raises(InvalidSetting, match="backend"):
        pick_backend("torch")


@pytest.mark.parametrize("workers", [1, 2])
def test_error_of_a_replicate_is_passed_on(workers: int) -> None:
    def fail(rng: np.random.Generator) -> Mapping[str, Any]:
        raise ZeroDivisionError("replicate")

    with pytest.raises(ZeroDivisionError, match="replicate"):
        run_replicates(fail, key=0, replicates=50, workers=workers)


@pytest.mark.parametrize("workers", [1, 2])
def test_interruption_keeps_what_is_finished(workers: int) -> None:
    started: list[float] = []

    def slow(rng: np.random.Generator) -> dict[str, float]:
        started.append(1.0)
        if len(started) == 9:
            _thread.interrupt_main()  # Ctrl-C while this replicate runs
        time.sleep(0.02)
        return {"draw": rng.standard_normal()}

    with pytest.warns(RuntimeWarning, match="interrupted: .* of 1000 replicates"):
        run = run_replicates(slow, key=1, replicates=1000, workers=workers)
    count = len(run.values["draw"])
    assert 5 <= count <= 15 and len(started) <= 15
    np.testing.assert_array_equal(
        run.values["draw"], run_replicates(normals, key=1, replicates=count).values["first"]
    )
    assert not [t for t in threading.enumerate() if t.name.startswith("replicate")]


@pytest.mark.parametrize("workers", [1, 2])
def test_interruption_at_once_is_passed_on(workers: int) -> None:
    def interrupted(rng: np.random.Generator) -> dict[str, float]:
        _thread.interrupt_main()
        time.sleep(0.05)
        raise RuntimeError("never finished")

    with pytest.raises(KeyboardInterrupt):
        run_replicates(interrupted, key=1, replicates=1000, workers=workers)


def test_one_blas_thread_each() -> None:
    from threadpoolctl import threadpool_info

    def threads(rng: np.random.Generator) -> dict[str, int]:
        pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
        return {"threads": max(pool["num_threads"] for pool in pools)}

    assert run_replicates(threads, key=0, replicates=4, workers=2).mean["threads"] == 1


def test_infinite_values_are_reported_as_such() -> None:
    mean, error, _ = run_replicates(lambda rng: {"risk": np.inf}, key=0, replicates=3)
    assert mean["risk"] == np.inf and np.isnan(error["risk"])


def test_progress_bar_goes_to_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    run_replicates(normals, key=0, replicates=3, progress=True)
    out, err = capfd.readouterr()
    assert out == "" and "3/3" in err


def test_batches_of_jax_change_no_draw() -> None:
    import jax

    def replicate(key: Any, scale: Any) -> dict[str, Any]:
        return {"draw": scale * jax.random.normal(key, (2,))}

    runs = [
        run_replicates_jax(replicate, key=3, replicates=7, arguments=(2.0,), batch=batch).values["draw"]
        for batch in (1, 3, 7)
    ]
    assert runs[0].shape == (7, 2)
    for run in runs[1:]:
        np.testing.assert_allclose(run, runs[0], rtol=1e-14)


def test_jax_products_keep_their_precision() -> None:
    import jax
    import jax.numpy as jnp

    seen = []

    def replicate(key: Any) -> dict[str, Any]:
        matrix = jnp.ones((3, 3), jnp.float32)
        (product,) = jax.make_jaxpr(jnp.matmul)(matrix, matrix).eqns
        seen.append(product.params["precision"])
        return {"trace": jnp.trace(matrix @ matrix)}

    run_replicates_jax(replicate, key=0, replicates=2)
    highest = jax.lax.Precision.HIGHEST
    assert seen[0] == (highest, highest)


def test_jax_is_not_imported_for_the_processor() -> None:
    code = (
        "import sys; from freeridge.solvers.replicates import pick_backend, run_replicates; "
        "import freeridge.solvers.ridge_path; "
        "run_replicates(lambda rng: {'x': rng.random()}, 0, 2); "
        "assert pick_backend() == 'numpy'; assert 'jax' not in sys.modules"
    )
    path = os.pathsep.join(sys.path)
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"PYTHONPATH": path})
