r"""Images whose colour goes with their label: colour as the spurious feature of two groups.

An image $v \in [0, 1]^p$ shows a digit; its label is $y = 1$ for the digits 5 to 9 and $y = -1$ for 0 to 4.
There are two colours $c_+, c_- \in R^C$, and the input is the coloured image and pixel noise,

$$ x = c \otimes v + \tau\, z, \qquad z \sim N(0, I_{C p}) . $$

In the group ``aligned`` the colour is that of the label, in the group ``conflicting`` that of the other
label: what a model learns from colour in one group is wrong in the other.
"""

from typing import Any

import numpy as np
from jaxtyping import Float, Int

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.fields import as_real, require
from freeridge.solvers.replicates import key_entropy
from freeridge.theory.grouped_data import GroupedData

TWO_CHANNELS = ((1.0, 0.0), (0.0, 1.0))
RED_AND_GREEN = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))


def colored_digits(
    key: Any,
    *,
    minority: float = 0.2,
    colors: Any = TWO_CHANNELS,
    pixel_noise: float = 0.0,
    shifts: int = 0,
) -> GroupedData:
    """The 1797 handwritten digits of scikit-learn, 8 x 8 pixels, coloured.

    Parameters
    ----------
    key : int or JAX key
        Seed of the choice of the minority, of shifts and of pixel noise.
    minority : float
        Share of the group ``conflicting``, strictly between 0 and 1; the spurious correlation of colour and
        label is 1 - 2 * minority.
    colors : array, shape (2, C)
        Colour of label 1 and of label -1, one intensity per channel. The inputs have C * 64 columns.
    pixel_noise : float
        Standard deviation of the noise added to every pixel of every channel.
    shifts : int
        Further copies of every image, each moved by one pixel in one of the eight directions, drawn
        independently, and with colour and noise of its own: a larger pool, of images that resemble each
        other.

    Returns
    -------
    GroupedData
        Groups are named ``aligned`` and ``conflicting``; a copy follows its image in no particular order.

    Raises
    ------
    ImportError
        When scikit-learn is not there.

    Examples
    --------
    >>> data = colored_digits(key=0, minority=0.1)
    >>> data.inputs.shape, int((data.groups == "conflicting").sum())
    ((1797, 128), 180)
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise ImportError("the digits are those of scikit-learn: pip install freeridge[data]") from None
    if isinstance(shifts, bool) or not isinstance(shifts, int | np.integer) or shifts < 0:
        raise InvalidSetting("shifts", shifts, "a whole number >= 0 of further copies of every image")
    found = load_digits()
    images, digits = found.images / 16.0, found.target
    rng = np.random.default_rng(np.random.SeedSequence(key_entropy(key), spawn_key=(0,)))
    copies = [images, *(_moved(images, rng) for _ in range(shifts))]
    return color_images(
        np.concatenate(copies),
        np.tile(digits, shifts + 1),
        key,
        minority=minority,
        colors=colors,
        pixel_noise=pixel_noise,
    )


def color_images(
    images: Float[np.ndarray, "N h w"],
    digits: Int[np.ndarray, " N"],
    key: Any,
    *,
    minority: float = 0.2,
    colors: Any = TWO_CHANNELS,
    pixel_noise: float = 0.0,
) -> GroupedData:
    """Colour images of digits; see :func:`colored_digits`.

    Parameters
    ----------
    images : array, shape (N, h, w)
        Intensities between 0 and 1.
    digits : array, shape (N,)
        0 to 9.
    key, minority, colors, pixel_noise
        As in :func:`colored_digits`.

    Examples
    --------
    One image of a 7, label 1: aligned images of it are in the first channel.

    >>> import numpy as np
    >>> data = color_images(np.ones((2, 1, 1)), np.array([7, 7]), key=0, minority=0.5)
    >>> sorted(zip(data.groups.tolist(), data.inputs.tolist()))
    [('aligned', [1.0, 0.0]), ('conflicting', [0.0, 1.0])]
    """
    share, noise = as_real("minority", minority), as_real("pixel_noise", pixel_noise)
    palette = np.asarray(as_real("colors", colors))
    if palette.ndim != 2 or len(palette) != 2:
        raise InvalidSetting("colors", colors, "two colours of as many channels each, shape (2, C)")
    require("colors", palette, lambda v: True, "finite intensities")
    require("minority", share, lambda v: (v > 0) & (v < 1), "a share strictly between 0 and 1")
    require("pixel_noise", noise, lambda v: v >= 0, "a finite number >= 0")
    rng = np.random.default_rng(np.random.SeedSequence(key_entropy(key), spawn_key=(1,)))
    count = len(images)
    conflicting = rng.permutation(count) < round(float(share) * count)
    labels = np.where(digits >= 5, 1.0, -1.0)
    color = palette[((labels < 0) != conflicting).astype(int)]
    inputs = (color[:, :, None] * images.reshape(count, 1, -1)).reshape(count, -1)
    if noise > 0:
        inputs = inputs + float(noise) * rng.standard_normal(inputs.shape)
    return GroupedData(inputs, labels, np.where(conflicting, "conflicting", "aligned"))


def _moved(images: Float[np.ndarray, "N h w"], rng: np.random.Generator) -> Float[np.ndarray, "N h w"]:
    """Every image moved by one pixel, in a direction of its own; what enters is empty."""
    height, width = images.shape[1:]
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(1, 2))
    ways = np.array([(i, j) for i in range(3) for j in range(3) if (i, j) != (1, 1)])
    drawn = ways[rng.integers(len(ways), size=len(images))]
    return windows[np.arange(len(images)), drawn[:, 0], drawn[:, 1]]
