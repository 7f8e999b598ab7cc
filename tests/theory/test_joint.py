"""Which representation a problem gets: joint atoms where covariances commute, matrices where they do not."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import freeridge as fr
from freeridge.solvers.spectra import Atoms, Matrices
from freeridge.theory.joint import AtomicLabels, MatrixLabels, join
from freeridge.theory.labeler import Labeler, as_labeler

D = 6


def random_dense(seed: int, values: Any = None, d: int = D) -> fr.Dense:
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.normal(size=(d, d)))[0]
    matrix = (basis * (np.exp(rng.normal(size=d)) if values is None else values)) @ basis.T
    return fr.Dense(0.5 * (matrix + matrix.T))


def labels(count: int = 3) -> list[Labeler]:
    return [fr.RandomVector(fr.Isotropic(D))] * count


def test_named_spectra_share_the_union_of_their_blocks() -> None:
    joint = join(
        [fr.TwoAtoms(D, (2.0, 1.0), 0.5), fr.Eigenvalues([3.0, 4.0], [2, 4])], fr.Isotropic(D), labels()
    )
    assert isinstance(joint.spectrum, Atoms)
    np.testing.assert_array_equal(joint.spectrum.multiplicities, [2.0, 1.0, 3.0])
    np.testing.assert_array_equal(joint.spectrum.values, [[2.0, 2.0, 1.0], [3.0, 4.0, 4.0]])
    np.testing.assert_array_equal(joint.test, [1.0, 1.0, 1.0])


def test_fractions_of_a_coordinate_and_millions_of_them() -> None:
    joint = join([fr.TwoAtoms(D, (2.0, 1.0), 0.55)], fr.Isotropic(D), labels(2))
    assert isinstance(joint.spectrum, Atoms)
    np.testing.assert_allclose(joint.spectrum.multiplicities, [3.3, 2.7], rtol=1e-14)
    big = fr.Eigenvalues([2.0, 1.0], [10, 999_990])
    joint = join([big], big, [fr.RandomVector(fr.Isotropic(1_000_000))] * 2)
    assert len(joint.test) == 2


def test_a_fixed_labeler_needs_every_coordinate() -> None:
    covariance = fr.PowerLaw(D, 1.0)
    joint = join([covariance], covariance, [as_labeler(np.arange(6.0)), *labels(1)])
    assert isinstance(joint.labels, AtomicLabels)
    np.testing.assert_array_equal(joint.labels.moments[0, 0], np.arange(6.0) ** 2)
    np.testing.assert_array_equal(joint.labels.moments[0, 1], np.zeros(6))


def test_where_all_covariances_are_the_same_there_is_one_atom() -> None:
    """Whatever the labelers are there; of a traced spectrum its blocks are known."""
    steps, flat = fr.Eigenvalues([2.0, 1.0, 2.0], [2, 1, 3]), fr.PowerLaw(D, 0.0)
    random = fr.RandomVector(fr.PowerLaw(D, 1.0))

    def sums(values: Any) -> Any:
        steps = fr.Eigenvalues(values, [2, 1, 3])
        return join([steps, flat], steps, [as_labeler(np.arange(6.0)), random, random])

    joint = sums(jnp.array([2.0, 1.0, 2.0]))
    assert isinstance(joint.spectrum, Atoms) and isinstance(joint.labels, AtomicLabels)
    np.testing.assert_array_equal(joint.spectrum.values, [[2.0, 1.0], [1.0, 1.0]])
    np.testing.assert_array_equal(joint.spectrum.multiplicities, [5.0, 1.0])
    np.testing.assert_array_equal(joint.labels.moments[0, 0], [0.0 + 1.0 + 9.0 + 16.0 + 25.0, 4.0])
    ranks = 1.0 / np.arange(1.0, D + 1.0)
    np.testing.assert_allclose(joint.labels.moments[1, 1], [ranks.sum() - ranks[2], ranks[2]], rtol=1e-15)
    traced = jax.eval_shape(sums, steps.values)
    assert traced.test.shape == (D,)  # of the power law every coordinate is a block


def test_dense_matrices_that_commute_are_atoms() -> None:
    one = random_dense(0)
    two = fr.Dense(one.matrix @ one.matrix)
    joint = join([one, two, fr.Isotropic(D)], fr.Dense(jnp.linalg.inv(one.matrix)), labels(4))
    assert isinstance(joint.spectrum, Atoms)
    np.testing.assert_allclose(joint.spectrum.values[0] ** 2, joint.spectrum.values[1], rtol=1e-10)
    np.testing.assert_allclose(joint.spectrum.values[0] * joint.test, np.ones(D), rtol=1e-10)


def test_common_eigenvectors_are_found_through_degenerate_eigenvalues() -> None:
    """Neither matrix alone determines the basis."""
    basis = np.linalg.qr(np.random.default_rng(1).normal(size=(D, D)))[0]
    values = np.array([[1.0, 1.0, 2.0, 2.0, 3.0, 3.0], [5.0, 4.0, 5.0, 4.0, 5.0, 4.0]])
    dense = [fr.Dense((basis * v) @ basis.T) for v in values]
    joint = join(dense, dense[0], labels())
    assert isinstance(joint.spectrum, Atoms)
    pairs = {tuple(np.round(pair, 9).tolist()) for pair in np.asarray(joint.spectrum.values).T}
    assert pairs == {(a, b) for a in (1.0, 2.0, 3.0) for b in (4.0, 5.0)}


def test_the_rest_stays_matrices() -> None:
    joint = join([random_dense(0), random_dense(1)], fr.Isotropic(D), labels())
    assert isinstance(joint.spectrum, Matrices)
    assert isinstance(joint.labels, MatrixLabels)
    assert float(joint.spectrum.rank) == D
    traced = jax.eval_shape(lambda m: join([fr.Dense(m)], fr.Isotropic(D), labels(2)), random_dense(0).matrix)
    assert isinstance(traced.spectrum, Matrices)


def test_directions_that_no_population_sees_are_set_apart() -> None:
    values = np.array([0.0, 0.0, 1.0, 2.0, 3.0, 4.0])
    one = random_dense(2, values)
    root = np.linalg.cholesky(np.asarray(random_dense(3).matrix))
    two = fr.Dense(one.matrix @ root @ root.T @ one.matrix)  # same null space, does not commute
    joint = join([one, two], fr.Isotropic(D), labels())
    assert isinstance(joint.spectrum, Matrices)
    assert float(joint.spectrum.rank) == 4
    assert joint.spectrum.dimension == D
    np.testing.assert_allclose(np.trace(joint.test), D)
    np.testing.assert_allclose(joint.spectrum.mean_eigenvalues[0], values.sum() / D, rtol=1e-12)


def test_rank_of_atoms_survives_the_rotation() -> None:
    joint = join([random_dense(4, [0.0, 0.0, 0.0, 1.0, 1.0, 1e-3])], fr.Isotropic(D), labels(2))
    assert isinstance(joint.spectrum, Atoms)
    assert float(joint.spectrum.rank) == 3
