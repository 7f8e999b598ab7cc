"""The same numbers on any number of devices: what is computed, and a script that writes them to a file."""

import sys
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

import freeridge as fr
from freeridge.solvers.devices import device_count, over_devices, rounded_up
from freeridge.solvers.replicates import run_replicates_jax
from freeridge.solvers.ridge_path import LabelSource, RidgeExperiment, simulate_ridge_path

Numbers = dict[str, Any]
LANES = 12


def loops() -> Numbers:
    """Lanes whose loops end at different times, and an argument that they share."""

    def halvings(start: Any, end: Any) -> Any:
        return jax.lax.while_loop(lambda x: x > end, lambda x: x / 2, start)

    found = over_devices(lambda starts, end: jax.vmap(lambda x: halvings(x, end))(starts))
    return {"halved": found(10.0 ** np.arange(LANES), 1.0)}


def draws() -> Numbers:
    """Replicates that fill no batch, with one and with several on a device."""

    def replicate(key: Any, scale: Any) -> Numbers:
        return {"normal": scale * jax.random.normal(key, (2,))}

    runs = {batch: run_replicates_jax(replicate, 3, 7, arguments=(2.0,), batch=batch) for batch in (1, 7)}
    return {f"draws of {batch}": run.values["normal"] for batch, run in runs.items()}


def theory() -> Numbers:
    """Predictions with a ridge path next to a threshold, and disparities."""
    truth = fr.RandomVector(fr.Isotropic(40, 1 / 40))
    populations = [
        fr.Population(fr.PowerLaw(40, 1.0), truth, noise_variance=0.1, share=0.6),
        fr.Population(fr.PowerLaw(40, 0.5), 2.0 * truth, noise_variance=0.2, share=0.4),
    ]
    settings: dict[str, Callable[[Any], Any]] = {
        "mixture": lambda v: fr.RidgeMixture(populations, n=v[0], ridge=v[1], features=50.0).predict(test=0),
        "bias": lambda v: fr.BiasAmplification(populations, n=v[0], ridge=v[1], features=50.0).predict(),
    }
    points = np.stack([np.linspace(20, 80, LANES), np.logspace(-9, 1, LANES)], axis=1)
    found: Numbers = {}
    for name, predict in settings.items():
        prediction = over_devices(jax.vmap(predict))(points)
        assert np.all(prediction.code == 0) and np.all(prediction.residual < 1e-12)
        found |= {f"{name} {part}": value for part, value in prediction.quantities.items()}
    return found


def experiment() -> RidgeExperiment:
    """Two populations and random features."""
    d = 24
    sources = (
        LabelSource(np.ones(2), 1.0, np.full(d, 1 / d)),
        LabelSource(np.array([0.0, 1.0]), 0.0, np.full(d, 0.3 / d)),
    )
    factors = (np.linspace(0.5, 1.5, d), np.linspace(1.5, 0.5, d))
    noise, ridges = np.array([0.1, 0.3]), np.logspace(-3, 1, 5)
    return RidgeExperiment(factors, (30, 12), noise, ridges, np.ones(d), sources, features=40)


def simulations() -> Numbers:
    """Everything that is simulated on devices."""
    found = dict(simulate_ridge_path(experiment(), key=5, replicates=6, backend="jax").values)
    memory = fr.AssociativeMemory(beta=2.0, d=16, items=60, classes=5, T=50)
    return found | {"memory": memory.simulate(0, 6, backend="jax").values["risk"]}


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    path, devices, *parts = sys.argv[1:]
    assert device_count() == int(devices) and rounded_up(LANES + 1) % device_count() == 0
    np.savez(path, **{name: value for part in parts for name, value in globals()[part]().items()})
