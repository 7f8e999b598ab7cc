r"""Coloured digits with noise to memorise: a spurious attribute on data that are at hand everywhere.

The digits of scikit-learn are split into three parts; no image is in two of them. The label of an image
$v \in [0, 1]^{64}$ is whether its digit is 5 or more, the attribute one of two colours. The input is

$$ x = (c_a \otimes v,\ \sigma z), \qquad z \sim N(0, I_m), $$

with $c_0 = (1, 1 - \kappa)$ and $c_1 = (1 - \kappa, 1)$. Colour says the label of a share of the
training images, of half of the others. The noise $z$ is drawn once for each row: it tells nothing about
others, but with many coordinates it tells the training rows apart, so that those against which colour speaks
can be learned by heart.
"""

from typing import Any

import numpy as np

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.fields import as_real, require, require_count
from freeridge.solvers.replicates import key_entropy
from freeridge.theory.colored_digits import color_images
from freeridge.theory.grouped_data import GroupedData
from freeridge.theory.memorization.subpopulations.data import PARTS, SubpopulationData

_SPLIT, _COLOR, _NOISE = 0, 1, 2  # streams of random numbers
_IMAGES = 1797


def spurious_digits(
    key: Any,
    *,
    majority: float = 0.9,
    noise_std: float = 0.5,
    noise_coordinates: int = 500,
    contrast: float = 1.0,
    train: int = 900,
    validation: int = 300,
) -> SubpopulationData:
    r"""Split, colour and noise of the 1797 digits.

    Parameters
    ----------
    key : int, sequence of int or JAX key
        Seed of the split, of the colours and of the noise.
    majority : float
        Share of the training images whose colour is that of their label, strictly between 0 and 1. In
        validation and test it is one half.
    noise_std : float
        $\sigma$; at 0 there is nothing to tell rows of one image apart, and the coordinates are zero.
    noise_coordinates : int
        m.
    contrast : float
        $\kappa$, from above 0 to 1: how far the colours are apart; at 1 each has a channel to itself.
    train, validation : int
        Images in these parts; the rest is for the test.

    Returns
    -------
    SubpopulationData
        128 + m columns; labels ``0 to 4`` and ``5 to 9``, attributes ``first channel`` and ``second
        channel``, of which the first goes with the second label.

    Raises
    ------
    InvalidSetting
    ImportError
        When scikit-learn is not there.

    Examples
    --------
    >>> data = spurious_digits(key=0, majority=0.9, noise_coordinates=10)
    >>> data.train.inputs.shape, [len(part.labels) for part in (data.validation, data.test)]
    ((900, 138), [300, 597])
    >>> int(data.counts("train")[[0, 1], [0, 1]].sum())  # against their colour
    90
    """
    share, deviation = as_real("majority", majority), as_real("noise_std", noise_std)
    apart = as_real("contrast", contrast)
    require("majority", share, lambda v: (v > 0) & (v < 1), "a share strictly between 0 and 1")
    require("noise_std", deviation, lambda v: v >= 0, "a finite number >= 0")
    require("contrast", apart, lambda v: (v > 0) & (v <= 1), "a number in (0, 1]")
    for name, count in (
        ("noise_coordinates", noise_coordinates),
        ("train", train),
        ("validation", validation),
    ):
        require_count(name, count)
    if train + validation >= _IMAGES:
        raise InvalidSetting("train", train, f"fewer than {_IMAGES} less those of the validation")
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise ImportError("the digits are those of scikit-learn: pip install 'freeridge[data]'") from None
    found, entropy = load_digits(), key_entropy(key)
    colors = 1 - float(apart) * (1 - np.eye(2))
    order = np.random.default_rng(np.random.SeedSequence(entropy, spawn_key=(_SPLIT,))).permutation(_IMAGES)
    parts: dict[str, GroupedData] = {}
    pieces = np.split(order, [train, train + validation])
    for number, (name, rows) in enumerate(zip(PARTS, pieces, strict=True)):
        minority = 1 - float(share) if name == "train" else 0.5
        colored = color_images(
            found.images[rows] / 16.0,
            found.target[rows],
            (*entropy, _COLOR, number),
            minority=minority,
            colors=colors,
        )
        seed = np.random.SeedSequence(entropy, spawn_key=(_NOISE, number))
        noise = np.random.default_rng(seed).standard_normal((len(rows), noise_coordinates))
        label = (colored.labels > 0).astype(np.int32)
        conflicting = (colored.groups == "conflicting").astype(np.int32)
        # Colour 0 is that of label 1.
        attribute = (1 - label) ^ conflicting
        inputs = np.concatenate([colored.inputs, float(deviation) * noise], axis=1).astype(np.float32)
        parts[name] = GroupedData(inputs, label, 2 * label + attribute)
    return SubpopulationData(
        **parts, label_names=("0 to 4", "5 to 9"), attribute_names=("first channel", "second channel")
    )
