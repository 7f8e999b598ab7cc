"""A local folder of images: order, scaling, batches, and what cannot be read."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.storage import StorageError
from freeridge.theory.practice.image_folder import ImageFolder

COLORS = {"cat": (255, 0, 0), "dog": (0, 51, 0)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, color in COLORS.items():
        place = tmp_path / "val" / name
        place.mkdir(parents=True)
        for i, suffix in enumerate(("png", "JPEG", "bmp")):
            Image.new("RGB", (8 + i, 6), color).save(place / f"{i}.{suffix}")
        (place / "notes.txt").write_text("no image")
    return tmp_path


def test_images_labels_and_batches(folder: Path) -> None:
    images = ImageFolder(folder, "val", size=4)
    assert images.names == ("cat", "dog") and len(images) == 6
    batches = list(images.batches(4))
    assert [x.shape for x, _ in batches] == [(4, 4, 4, 3), (2, 4, 4, 3)]
    x, y = (np.concatenate(part) for part in zip(*batches, strict=True))
    assert x.dtype == np.float32 and y.tolist() == [0, 0, 0, 1, 1, 1]
    for image, label in zip(x, y, strict=True):
        color = np.array(list(COLORS.values())[label]) / 255
        assert np.allclose(image, color, atol=0.02)  # JPEG rounds


def test_a_random_order_is_seeded_and_whole(folder: Path) -> None:
    images = ImageFolder(folder, "val", size=2)
    orders = [np.concatenate([y for _, y in images.batches(2, key)]).tolist() for key in (0, 0, 1, 2, 3)]
    assert orders[0] == orders[1] and len({tuple(order) for order in orders}) > 1
    assert all(sorted(order) == [0, 0, 0, 1, 1, 1] for order in orders)


def test_the_middle_is_cut_out(tmp_path: Path) -> None:
    place = tmp_path / "train" / "one"
    place.mkdir(parents=True)
    pixels = np.zeros((4, 12, 3), np.uint8)
    pixels[:, 4:8] = 255
    Image.fromarray(pixels).save(place / "middle.png")
    ((x, _),) = ImageFolder(tmp_path, size=4).batches(1)
    assert np.all(x == 1.0)


def test_grey_images_get_three_channels(tmp_path: Path) -> None:
    place = tmp_path / "train" / "one"
    place.mkdir(parents=True)
    Image.new("L", (3, 3), 51).save(place / "grey.png")
    ((x, _),) = ImageFolder(tmp_path, size=3).batches(5)
    assert x.shape == (1, 3, 3, 3) and np.allclose(x, 0.2)


def test_what_is_missing_is_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match=r"train'.*a folder that exists"):
        ImageFolder(folder, "train")
    (folder / "train").mkdir()
    with pytest.raises(InvalidSetting, match="there is none"):
        ImageFolder(folder, "train")
    (folder / "train" / "empty").mkdir()
    with pytest.raises(InvalidSetting, match=r"empty'.*images with a suffix"):
        ImageFolder(folder, "train")
    with pytest.raises(InvalidSetting, match="^size = 0"):
        ImageFolder(folder, "val", size=0)
    with pytest.raises(InvalidSetting, match="^batch = 0"):
        next(ImageFolder(folder, "val").batches(0))


def test_a_broken_image_is_named(folder: Path) -> None:
    whole = (folder / "val" / "dog" / "2.bmp").read_bytes()
    for content in (b"no image at all", whole[: len(whole) // 2]):
        (folder / "val" / "dog" / "2.bmp").write_bytes(content)
        with pytest.raises(StorageError, match=r"dog/2\.bmp: not a whole image"):
            list(ImageFolder(folder, "val", size=4).batches(2))
