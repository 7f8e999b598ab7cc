"""The estimator: scikit-learn's checks, labels of any kind, early stopping, and what is refused."""

import sys
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from freeridge.solvers.errors import InvalidSetting
from freeridge.theory.memorization.training.estimator import MemorizationAwareTraining
from freeridge.theory.memorization.training.shift import calibrated_shift
from freeridge.theory.memorization.training.twins import Twins, best_twins

# Some of the checks are on data without any structure, of which twins make what they like.
unsound = pytest.mark.filterwarnings("ignore:the twins have given up:RuntimeWarning")
QUICK = MemorizationAwareTraining(epochs=100, learning_rate=0.3)


@pytest.mark.slow
@unsound
@parametrize_with_checks(  # type: ignore[untyped-decorator]
    [
        MemorizationAwareTraining(),
        MemorizationAwareTraining(
            (8,), epochs=100, learning_rate=0.3, batch_size=16, validation_fraction=0.2
        ),
    ]
)
def test_all_checks_of_scikit_learn(estimator: Any, check: Any) -> None:
    check(estimator)


@unsound
@pytest.mark.parametrize(
    "name",
    [
        "check_parameters_default_constructible",
        "check_no_attributes_set_in_init",
        "check_do_not_raise_errors_in_init_or_set_params",
        "check_get_params_invariance",
        "check_set_params",
        "check_estimators_unfitted",
        "check_classifiers_one_label",
        "check_fit1d",
        "check_fit2d_1sample",
    ],
)
def test_quick_checks_of_scikit_learn(name: str) -> None:
    quicker = clone(QUICK).set_params(epochs=30)
    getattr(estimator_checks, name)("MemorizationAwareTraining", quicker)


def draw(n: int, agree: float, seed: int, classes: int = 2) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Class, spurious attribute five times as large, noise; whether the attribute is that of the class."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    other = (labels + rng.integers(1, classes, n)) % classes
    agrees = rng.random(n) < agree
    core, spurious = np.eye(classes)[labels], 5 * np.eye(classes)[np.where(agrees, labels, other)]
    return np.hstack([core, spurious, 0.3 * rng.standard_normal((n, 150))]), labels, agrees


@pytest.mark.parametrize(
    "names",
    [
        np.array([-1, 1]),
        np.array(["no", "yes"]),
        pytest.param(np.array([2.0, 7.0, 9.0]), marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_labels_of_any_kind_and_the_minority_is_found(names: np.ndarray) -> None:
    classes = len(names)
    X, labels, agrees = draw(150, 0.9, 0, classes)
    model = MemorizationAwareTraining(epochs=150, learning_rate=0.1, random_state=0).fit(X, names[labels])
    assert np.array_equal(model.classes_, names) and model.score(X, names[labels]) > 0.98
    assert np.array_equal(model.inferred_groups_, ~agrees)
    assert model.flip_rate_ == pytest.approx(np.mean(~agrees)) and model.n_iter_ == 150
    assert np.allclose(model.shift_, calibrated_shift(model.held_out_logits_, labels, 0.1, 0.01))
    hard, answers, _ = draw(300, 0.0, 1, classes)
    assert model.score(hard, names[answers]) > 0.6
    p, scores = model.predict_proba(hard), model.decision_function(hard)
    assert np.allclose(p.sum(axis=1), 1) and np.array_equal(model.predict(hard), names[p.argmax(axis=1)])
    assert scores.shape == ((300,) if classes == 2 else (300, 3))
    if classes == 2:
        assert np.allclose(1 / (1 + np.exp(-scores)), p[:, 1])


def test_early_stopping_is_on_rows_set_aside_of_each_class() -> None:
    X, labels, agrees = draw(150, 0.8, 2)
    model = MemorizationAwareTraining(
        epochs=50, learning_rate=0.1, momentum=0.9, validation_fraction=0.2, random_state=0
    ).fit(X, labels)
    held = np.setdiff1d(np.arange(150), model.training_rows_)
    assert np.bincount(labels[held]).tolist() == [15, 15] and len(model.shift_) == 120
    assert model.inferred_groups_.shape == (150,) and 0 < model.n_iter_ <= 50
    assert np.mean(model.inferred_groups_[held] == ~agrees[held]) > 0.9


def test_equal_seeds_give_equal_models() -> None:
    X, labels, _ = draw(150, 0.9, 3)
    one, same, other = (
        MemorizationAwareTraining(epochs=150, learning_rate=0.1, random_state=seed).fit(X, labels)
        for seed in (1, np.random.RandomState(1), 2)
    )
    assert np.array_equal(one.decision_function(X), same.decision_function(X))
    assert not np.array_equal(one.decision_function(X), other.decision_function(X))


@unsound
@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("validation_fraction", {"validation_fraction": 1.0}),
        ("epochs", {"epochs": 0}),
        ("learning_rate", {"learning_rate": 0.0}),
        ("batch_size", {"batch_size": 0}),
        ("weight_decay", {"weight_decay": -1.0}),
        ("optimiser", {"optimiser": "lion"}),
        ("activation", {"activation": "gelu"}),
        ("learning_rate", {"learning_rate": np.array([0.1, 0.2])}),
        ("hidden_layers", {"hidden_layers": 8}),
        ("hidden_layers", {"hidden_layers": [8, 0]}),
        ("validation_fraction", {"validation_fraction": "a fifth"}),
        ("temperature", {"temperature": 0.0}),
        ("temperature", {"temperature": "cold"}),
        ("floor", {"floor": 0.0}),
        ("twin_runs", {"twin_runs": 0}),
        ("learning_rate", {"learning_rate": 1e38}),
    ],
)
def test_bad_parameters_are_refused_by_name(field: str, changes: dict[str, Any]) -> None:
    X, labels, _ = draw(150, 0.9, 4)
    with pytest.raises(InvalidSetting) as caught:
        MemorizationAwareTraining(**{"epochs": 150, "learning_rate": 0.1, **changes}).fit(X, labels)
    assert caught.value.field == field


def test_bad_data_are_refused() -> None:
    X, labels, _ = draw(20, 0.9, 5)
    model = MemorizationAwareTraining(epochs=1)
    with pytest.raises(InvalidSetting, match="y = .*one class only"):
        model.fit(X, np.zeros(20, int))
    for value in (np.nan, np.inf):
        broken = X.copy()
        broken[3, 1] = value
        with pytest.raises(ValueError, match="NaN|infinity"):
            model.fit(broken, labels)


def test_twins_that_run_away_are_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    X, labels, _ = draw(150, 0.9, 7)

    def ran_away(*given: Any, **options: Any) -> Twins:
        twins = best_twins(*given, **options)
        return twins._replace(dynamic_labels=np.zeros_like(twins.labels))

    monkeypatch.setattr("freeridge.theory.memorization.training.estimator.best_twins", ran_away)
    with pytest.warns(RuntimeWarning, match="given up most labels of a class"):
        MemorizationAwareTraining(epochs=150, learning_rate=0.1, random_state=0).fit(X, labels)


def test_data_without_a_minority_are_learned_at_the_rate_of_the_floor() -> None:
    X, labels, agrees = draw(150, 1.0, 6)
    assert np.all(agrees)
    default, published = (
        MemorizationAwareTraining(epochs=150, learning_rate=0.1, random_state=0, floor=floor).fit(X, labels)
        for floor in (0.01, 1e-6)
    )
    assert default.score(X, labels) == 1 and published.score(X, labels) < 0.7


def test_without_scikit_learn_it_says_what_to_install(
    no_sklearn: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "freeridge.theory.memorization.training.estimator")
    with pytest.raises(ImportError, match=r"pip install 'freeridge\[data\]'"):
        import freeridge.theory.memorization.training.estimator  # noqa: F401
