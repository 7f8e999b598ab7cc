"""Group DRO, balancing and the algorithms built from them, against oracles and against each other."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.perceptron import uniform_perceptron
from freeridge.theory.grouped_data import GroupedData
from freeridge.theory.memorization.subpopulations.algorithms import Draw, random_draws, train_algorithm
from freeridge.theory.memorization.subpopulations.balancing import balanced_rows, balanced_weights
from freeridge.theory.memorization.subpopulations.group_dro import GroupDRO, LabelsAndGroups
from freeridge.theory.memorization.training.course import Course
from freeridge.theory.memorization.training.learning import Trained

RNG = np.random.default_rng(0)
COUNT, GROUPS = 40, 4
# Group 3 is rare; labels are as many of one kind as of the other.
LABELS = np.repeat([0, 1], COUNT // 2).astype(np.int32)
MEMBERS = np.where(LABELS == 0, RNG.integers(0, 2, COUNT), 2).astype(np.int32)
MEMBERS[-3:] = 3
INPUTS = (RNG.standard_normal((COUNT, 5)) + LABELS[:, None]).astype(np.float32)
DATA = GroupedData(INPUTS, LABELS, MEMBERS)
DRAW = Draw(rate=0.1, decay=0.0, temperature=0.5, eta=0.5)
RANGES: dict[str, Any] = {"rates": (1e-3, 1e-1), "decays": (1e-4, 1e-2), "temperatures": (0.1, 1.0)}


def trained(algorithm: str, data: GroupedData = DATA, held_out: Any = None, **changes: Any) -> Trained:
    draw = DRAW._replace(**changes)
    return train_algorithm(
        algorithm,
        data,
        draw,
        uniform_perceptron(np.random.default_rng(1), [5, 2]),
        Course(epochs=8, rate=draw.rate, batch=10, momentum=0.9),
        2,
        held_out=np.zeros((COUNT, 2)) if held_out is None else held_out,
        groups=GROUPS,
        measures={},
        every=8,
    )


def weights(found: Trained) -> np.ndarray:
    return np.asarray(found.network.weights[0])


def test_group_dro_is_the_exponentiated_gradient() -> None:
    objective, eta = GroupDRO(GROUPS, 0.7), 0.7
    state, wanted = objective.begin(), np.full(GROUPS, 0.25)
    for step in range(5):
        rng = np.random.default_rng(step)
        logits, labels = rng.standard_normal((12, 2)), rng.integers(0, 2, 12)
        members = rng.integers(0, 3, 12)  # nobody of the last group
        losses = np.log(np.exp(logits).sum(1)) - logits[np.arange(12), labels]
        means = np.array(
            [losses[members == g].mean() if np.any(members == g) else 0.0 for g in range(GROUPS)]
        )
        wanted = wanted * np.exp(eta * means)
        wanted /= wanted.sum()
        rows = LabelsAndGroups(jnp.asarray(labels, jnp.int32), jnp.asarray(members, jnp.int32))
        loss, state = objective(jnp.asarray(logits, jnp.float32), rows, state)
        assert np.allclose(state, wanted, rtol=1e-5) and float(loss) == pytest.approx(
            wanted @ means, rel=1e-5
        )
    assert state[3] < 0.25 < np.max(state)


def test_group_dro_survives_losses_whose_exponential_does_not() -> None:
    logits = jnp.array([[0.0, 1e4], [0.0, -1e4]], jnp.float32)
    rows = LabelsAndGroups(jnp.array([0, 0], jnp.int32), jnp.array([0, 1], jnp.int32))
    loss, state = GroupDRO(2, 0.1)(logits, rows, GroupDRO(2, 0.1).begin())
    assert float(loss) == pytest.approx(1e4) and state.tolist() == [1.0, 0.0]


@pytest.mark.parametrize(("fields", "name"), [((0, 0.1), "groups"), ((4, 0.0), "eta"), ((4, np.inf), "eta")])
def test_group_dro_refuses(fields: tuple[int, float], name: str) -> None:
    with pytest.raises(InvalidSetting, match=f"^{name} = "):
        GroupDRO(*fields)


def test_balanced_weights_give_every_group_the_same() -> None:
    found = balanced_weights(MEMBERS)
    sums = np.bincount(MEMBERS, weights=found)
    assert np.allclose(sums, COUNT / GROUPS) and found.mean() == pytest.approx(1.0)
    # A group without rows takes no part.
    assert np.allclose(np.bincount(2 * MEMBERS, weights=balanced_weights(2 * MEMBERS))[::2], sums)


def test_balanced_rows_have_as_many_of_every_group_as_of_the_smallest() -> None:
    rows = balanced_rows(MEMBERS, np.random.default_rng(0), COUNT)
    kept, repeats = np.unique(rows, return_counts=True)
    assert np.bincount(MEMBERS[kept]).tolist() == [3, 3, 3, 3]
    assert len(rows) == COUNT and set(repeats.tolist()) == {3, 4}
    other = balanced_rows(MEMBERS, np.random.default_rng(1), COUNT)
    assert set(other.tolist()) != set(rows.tolist())


def test_algorithms_that_have_nothing_to_correct_are_plain_training() -> None:
    plain = weights(trained("erm"))
    # Held-out answers that tell nothing, and labels of equal number: the shift is the same for both.
    assert np.allclose(weights(trained("mat")), plain, atol=1e-6)
    one = DATA._replace(groups=np.zeros(COUNT, np.int32))
    assert np.array_equal(weights(trained("weighted", one)), plain)
    assert not np.allclose(weights(trained("weighted")), plain, atol=1e-3)


def test_memorisation_aware_training_leaves_what_the_twins_know_to_them() -> None:
    """Held-out answers that are right leave next to nothing to learn."""
    held_out = 20.0 * np.eye(2)[LABELS]
    start = np.asarray(uniform_perceptron(np.random.default_rng(1), [5, 2]).weights[0])
    moved = np.linalg.norm(weights(trained("mat", held_out=held_out)) - start)
    assert moved < 1e-3 * np.linalg.norm(weights(trained("erm")) - start)
    # At a high temperature they are worth nothing.
    assert np.allclose(
        weights(trained("mat", held_out=held_out, temperature=1e6)), weights(trained("erm")), atol=1e-4
    )


def test_subsampling_sees_the_kept_rows_alone() -> None:
    rows = balanced_rows(MEMBERS, np.random.default_rng(np.random.SeedSequence((2,), spawn_key=(21,))), COUNT)
    lost = np.setdiff1d(np.arange(COUNT), rows)
    changed = INPUTS.copy()
    changed[lost] = 100.0
    assert len(lost) == COUNT - 3 * GROUPS
    found = weights(trained("subsampled", DATA._replace(inputs=changed)))
    assert np.array_equal(found, weights(trained("subsampled")))


def test_draws_are_seeded_and_within_their_ranges() -> None:
    draws = random_draws(3, 200, **RANGES)
    assert draws == random_draws(3, 200, **RANGES) and draws != random_draws(4, 200, **RANGES)
    rates, decays = (np.log10([getattr(one, name) for one in draws]) for name in ("rate", "decay"))
    for values, low, high in ((rates, -3, -1), (decays, -4, -2)):
        assert low < values.min() and values.max() < high
        assert values.mean() == pytest.approx((low + high) / 2, abs=4 * 2 / (12 * 200) ** 0.5)
    assert {one.temperature for one in draws} == {0.1, 1.0}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"rates": (0.1, 0.01)}, "rates"),
        ({"decays": (0.0, 0.1)}, "decays"),
        ({"temperatures": ()}, "temperatures"),
        ({"temperatures": (0.0,)}, "temperatures"),
        ({"count": 0}, "count"),
    ],
)
def test_bad_draws_are_refused(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidSetting, match=f"^{field} = "):
        random_draws(0, **{"count": 1, **RANGES, **changes})


def test_unknown_algorithms_are_refused() -> None:
    with pytest.raises(InvalidSetting, match="one of erm, mat, group-dro, weighted, subsampled"):
        trained("irm")
