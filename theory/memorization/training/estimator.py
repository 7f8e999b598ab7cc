"""Memorisation-aware training as a scikit-learn classifier."""

import warnings
from functools import partial
from typing import Any

import jax
import numpy as np
from jaxtyping import Bool, Float, Int

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.fields import require_count
from freeridge.solvers.perceptron import Perceptron, uniform_perceptron
from freeridge.theory.memorization.training.course import Course
from freeridge.theory.memorization.training.learning import Trained, train
from freeridge.theory.memorization.training.measures import GroupAccuracy, label_groups
from freeridge.theory.memorization.training.rows import shifted_rows
from freeridge.theory.memorization.training.shift import (
    calibrated_shift,
    require_positive,
    tempered_probabilities,
)
from freeridge.theory.memorization.training.twins import Twins, best_twins

try:
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.utils import check_random_state
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError:
    raise ImportError("the estimator is one of scikit-learn: pip install 'freeridge[data]'") from None

_SPLIT, _TWINS, _WEIGHTS, _BATCHES = range(4)  # streams of random numbers


class MemorizationAwareTraining(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    r"""A classifier that learns what holds out of sample, and leaves to memory what does not.

    1. Twins are trained on halves of the data with labels that give way
       (:mod:`freeridge.theory.memorization.training.twins`); each answers for the half it has not seen.
    2. The held-out logits become a calibrated shift $s$
       (:mod:`freeridge.theory.memorization.training.shift`).
    3. A network $f$ minimises the cross entropy of $f(x_i) + s_i$. What the shift explains already needs not
       be learned: an example that contradicts the shift counts more, one that goes with it less.

    Predictions are those of $f$ alone. Networks are trained in single precision and asked in double. The
    inputs are used as they are: scale them, with a ``StandardScaler`` before it for example.

    Parameters
    ----------
    hidden_layers : sequence of int
        Widths; none is a linear model.
    activation : {"relu", "silu", "tanh"}
    fit_intercept : bool
        Whether the layers have offsets.
    epochs : int
        Of the twins and of the final network.
    learning_rate : float
    optimiser : {"sgd", "adamw"}
        AdamW needs optax, ``pip install 'freeridge[train]'``.
    momentum, weight_decay : float
    batch_size : int, optional
        All examples at every step unless given.
    temperature : float
        $\tau$ of the shift.
    floor : float
        $\epsilon$ of the shift. What the shift is sure of is learned at a rate proportional to it: the
        published 1e-6 is best where all is to be learned from a noisy minority, and learns next to nothing
        from data without one.
    twin_runs : int
        Pairs of twins, of which the one that flips the most labels without running away is used; see
        :func:`freeridge.theory.memorization.training.twins.best_twins`.
    class_balanced : bool
        Whether every class counts the same in the loss of the twins (the sum of the class means), however
        many examples it has.
    validation_fraction : float
        Share of the examples of each class that is set aside to choose the epoch at which the final network
        is kept: the one with the best accuracy in the worst of the groups that label and mistakes of the
        twins make. With 0 it is trained to the end.
    random_state : int, RandomState instance or None

    Attributes
    ----------
    classes_ : array, shape (classes,)
    n_features_in_ : int
    feature_names_in_ : array, shape (n_features_in_,)
        When the inputs had names.
    network_ : Perceptron
    training_rows_ : array, shape (n_train,)
        Which of the examples were trained on: all, without a validation fraction.
    held_out_logits_ : array, shape (n_train, classes)
    shift_ : array, shape (n_train, classes)
    inferred_groups_ : bool array, shape (n,)
        Of all examples, whether the twins are mistaken about it: the inferred minority.
    flip_rate_ : float
        Share of labels that gave way.
    n_iter_ : int
        Epochs after which the network was kept.

    Raises
    ------
    InvalidSetting
        For a parameter that makes no sense, labels of one class only, or training that diverges.

    Warns
    -----
    RuntimeWarning
        When the twins have talked each other out of most labels of a class: the shift knows nothing then, or
        the inferred groups are exchanged.

    Examples
    --------
    The label is the sign of a small number, the spurious number is large and agrees with it nine times of
    ten, and there are many more inputs of noise. Both models know all training examples; asked about
    examples whose spurious number does not agree, one has memorised what the other has learned.

    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> rng = np.random.default_rng(0)
    >>> def draw(n, agree):
    ...     y = rng.choice([-1, 1], n)
    ...     spurious = np.where(rng.random(n) < agree, 5 * y, -5 * y)
    ...     return np.column_stack([y, spurious, 0.5 * rng.standard_normal((n, 398))]), y
    >>> (X, y), (hard, answers) = draw(200, agree=0.9), draw(1000, agree=0.0)
    >>> model = MemorizationAwareTraining(epochs=500, learning_rate=0.03, random_state=0).fit(X, y)
    >>> bool(np.all(model.inferred_groups_ == (X[:, 1] * y < 0)))  # the minority, told by nobody
    True
    >>> plain = LogisticRegression().fit(X, y)
    >>> model.score(X, y), model.score(hard, answers) > 0.9
    (1.0, True)
    >>> plain.score(X, y), plain.score(hard, answers) < 0.5
    (1.0, True)

    References
    ----------
    The Pitfalls of Memorization: When Memorization Hurts Generalization, ICLR 2025.
    """

    def __init__(
        self,
        hidden_layers: Any = (),
        *,
        activation: Any = "relu",
        fit_intercept: Any = True,
        epochs: Any = 1000,
        learning_rate: Any = 0.1,
        optimiser: Any = "sgd",
        momentum: Any = 0.0,
        weight_decay: Any = 0.0,
        batch_size: Any = None,
        temperature: Any = 0.1,
        floor: Any = 0.01,
        twin_runs: Any = 1,
        class_balanced: Any = True,
        validation_fraction: Any = 0.0,
        random_state: Any = None,
    ) -> None:
        # Parameters are looked at in fit, as scikit-learn wants it: hence Any.
        self.hidden_layers = hidden_layers
        self.activation = activation
        self.fit_intercept = fit_intercept
        self.epochs = epochs
        self.learning_rate = learning_rate
        self.optimiser = optimiser
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.temperature = temperature
        self.floor = floor
        self.twin_runs = twin_runs
        self.class_balanced = class_balanced
        self.validation_fraction = validation_fraction
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> "MemorizationAwareTraining":
        """Train the twins, then the network.

        Parameters
        ----------
        X : array, shape (n, d)
            Finite numbers.
        y : array, shape (n,)
            Labels of any kind, two or more different ones.
        """
        X, y = validate_data(self, X, y, dtype=np.float32, ensure_min_samples=2)
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise InvalidSetting("y", y, "labels of two or more classes: there is one class only")
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        course = self._course()
        held = self._validation_rows(labels, np.random.default_rng([seed, _SPLIT]))
        rows = self.training_rows_ = np.flatnonzero(~held)
        start = partial(
            uniform_perceptron,
            sizes=[X.shape[1], *self.hidden_layers, len(self.classes_)],
            activation=self.activation,
            offsets=self.fit_intercept,
        )
        twins = best_twins(
            start,
            X[rows],
            labels[rows],
            course,
            (seed, _TWINS),
            balanced=self.class_balanced,
            runs=self.twin_runs,
        )
        self._finite(twins.held_out)
        if not twins.sound:
            warnings.warn(
                "the twins have given up most labels of a class: try a larger learning_rate, more twin_runs, "
                "class_balanced=True, scaled inputs, or more examples",
                RuntimeWarning,
                stacklevel=2,
            )
        self.held_out_logits_, self.flip_rate_ = twins.held_out, twins.flip_rate
        self.shift_ = calibrated_shift(twins.held_out, labels[rows], self.temperature, self.floor)
        self.inferred_groups_ = self._mistaken(twins, X, labels, held)
        found = self._train(start(np.random.default_rng([seed, _WEIGHTS])), X, labels, held, course, seed)
        self._finite(found.losses)
        self.network_, self.n_iter_ = found.network, found.chosen
        return self

    def decision_function(self, X: Any) -> Float[np.ndarray, "..."]:
        """Logits, shape (n, classes); of two classes the difference, shape (n,), positive for the second."""
        logits = self._logits(X)
        return logits[:, 1] - logits[:, 0] if len(self.classes_) == 2 else logits

    def predict_proba(self, X: Any) -> Float[np.ndarray, "n classes"]:
        """Probabilities of the classes, without the shift."""
        return tempered_probabilities(self._logits(X), 1.0)

    def predict(self, X: Any) -> Any:
        """The most likely class."""
        logits = self._logits(X)  # before the classes: an estimator that is not fitted has none
        return self.classes_[np.argmax(logits, axis=1)]

    def _logits(self, X: Any) -> Float[np.ndarray, "n classes"]:
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float32, reset=False)
        # In double precision, so that an answer does not depend on which others are asked for beside it.
        network, rows = jax.tree.map(lambda part: np.asarray(part, np.float64), (self.network_, X))
        return np.asarray(_answers(network, rows), np.float64)

    def _course(self) -> Course:
        """The parameters of training, and all of them refused at the door by their names here."""
        for name in ("temperature", "floor"):
            require_positive(name, getattr(self, name))
        if not isinstance(self.hidden_layers, list | tuple):
            raise InvalidSetting("hidden_layers", self.hidden_layers, "a list or tuple of widths")
        for width in self.hidden_layers:
            require_count("hidden_layers", width)
        require_count("twin_runs", self.twin_runs)
        try:
            return Course(
                self.epochs,
                self.learning_rate,
                self.batch_size,
                self.optimiser,
                self.momentum,
                self.weight_decay,
            )
        except InvalidSetting as error:
            names = {"rate": "learning_rate", "batch": "batch_size", "decay": "weight_decay"}
            raise InvalidSetting(names.get(error.field, error.field), error.value, error.expected) from None

    def _validation_rows(self, labels: Int[np.ndarray, " n"], rng: Any) -> Bool[np.ndarray, " n"]:
        """Which examples are set aside: of each class its share, and never all."""
        share = self.validation_fraction
        if not isinstance(share, int | float | np.number) or not 0 <= share < 1:
            raise InvalidSetting("validation_fraction", share, "a share in [0, 1)")
        held = np.zeros(len(labels), bool)
        for label in range(len(self.classes_)):
            mine = np.flatnonzero(labels == label)
            held[rng.permutation(mine)[: min(round(share * len(mine)), len(mine) - 1)]] = True
        return held

    def _mistaken(self, twins: Twins, X: Any, labels: Any, held: Any) -> Bool[np.ndarray, " n"]:
        """The inferred group of the examples of both parts."""
        found = np.zeros(len(labels), bool)
        found[~held] = twins.mistaken
        if np.any(held):
            found[held] = twins.either_mistaken(X[held], labels[held])
        return found

    def _train(self, start: Perceptron, X: Any, labels: Any, held: Any, course: Course, seed: int) -> Trained:
        """The final network."""
        rows = shifted_rows(labels[~held], len(self.classes_), shift=self.shift_)
        key = (seed, _BATCHES)
        if not np.any(held):
            return train(start, X[~held], rows, course, key)
        groups = label_groups(labels[held], self.inferred_groups_[held])
        return train(
            start,
            X[~held],
            rows,
            course,
            key,
            measures={"validation": GroupAccuracy(X[held], labels[held], groups)},
            every=max(1, self.epochs // 100),
            select="validation_worst_group_accuracy",
        )

    def _finite(self, found: Any) -> None:
        if not np.all(np.isfinite(found)):
            raise InvalidSetting(
                "learning_rate", self.learning_rate, "a smaller one, or scaled inputs: training diverged"
            )


@jax.jit
def _answers(network: Perceptron, inputs: Any) -> Any:
    return network(inputs)
