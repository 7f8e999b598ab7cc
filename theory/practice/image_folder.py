"""Images of a local folder, one subfolder for each class, read in batches as they are needed."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.fields import require_count
from freeridge.solvers.replicates import key_entropy
from freeridge.solvers.storage import StorageError

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")


class ImageFolder:
    """The images in ``folder/part/class/*``; classes are numbered in the order of their names.

    Only names are read before the images are asked for.

    Parameters
    ----------
    folder : path
        With subfolders such as ``train`` and ``val``, as ImageNet is laid out.
    part : str
        Which of them.
    size : int
        Height and width in pixels: the shorter side is scaled to it, and the middle is cut out.

    Raises
    ------
    InvalidSetting
        When there is no such folder, no class in it, or a class without images.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from PIL import Image
    >>> place = pathlib.Path(tempfile.mkdtemp()) / "train" / "black"
    >>> place.mkdir(parents=True)
    >>> Image.new("RGB", (6, 4)).save(place / "one.png")
    >>> images = ImageFolder(place.parents[1], size=2)
    >>> images.names, len(images), [batch.shape for batch, _ in images.batches(8)]
    (('black',), 1, [(1, 2, 2, 3)])
    """

    def __init__(self, folder: str | os.PathLike[str], part: str = "train", size: int = 224) -> None:
        require_count("size", size)
        place = Path(folder) / part
        if not place.is_dir():
            raise InvalidSetting("folder", str(place), "a folder that exists, with one subfolder per class")
        classes = sorted(entry for entry in place.iterdir() if entry.is_dir())
        if not classes:
            raise InvalidSetting("folder", str(place), "a subfolder for each class; there is none")
        self.size = size
        self.names = tuple(entry.name for entry in classes)
        self.paths: list[Path] = []
        labels: list[int] = []
        for label, entry in enumerate(classes):
            found = sorted(path for path in entry.iterdir() if path.suffix.lower() in SUFFIXES)
            if not found:
                kinds = ", ".join(SUFFIXES)
                raise InvalidSetting("folder", str(entry), f"images with a suffix among {kinds}")
            self.paths += found
            labels += [label] * len(found)
        self.labels = np.array(labels, np.int32)

    def __len__(self) -> int:
        """Images in all."""
        return len(self.paths)

    def batches(
        self, batch: int, key: Any = None
    ) -> Iterator[tuple[Float[np.ndarray, "n size size 3"], Int[np.ndarray, " n"]]]:
        """All images once, as float32 between 0 and 1, with their labels.

        Parameters
        ----------
        batch : int
            Images at a time; the last batch may have fewer.
        key : int, sequence of int or JAX key, optional
            Of a random order; None keeps that of the names.

        Raises
        ------
        StorageError
            When a file is no image, with its name.
        """
        require_count("batch", batch)
        order = np.arange(len(self))
        if key is not None:
            order = np.random.default_rng(np.random.SeedSequence(key_entropy(key))).permutation(len(self))
        for start in range(0, len(self), batch):
            rows = order[start : start + batch]
            yield np.stack([self._read(self.paths[row]) for row in rows]), self.labels[rows]

    def _read(self, path: Path) -> Float[np.ndarray, "size size 3"]:
        """One image, scaled and cut."""
        from PIL import Image, ImageOps, UnidentifiedImageError

        try:
            with Image.open(path) as image:
                fitted = ImageOps.fit(image.convert("RGB"), (self.size, self.size))
        except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
            raise StorageError(f"cannot read {path}: not a whole image") from error
        return np.asarray(fitted, np.float32) / np.float32(255)
