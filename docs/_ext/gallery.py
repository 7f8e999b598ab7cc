"""The gallery: a page for every figure of the catalogue, drawn while the documentation is built.

Pictures come from the function that ``freeridge figures`` calls, in quick size. Data that the folder of the
gallery has already, from the same code, are not computed again; an interrupted build keeps what is finished.
"""

import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gallery_worker
from gallery_pages import contents, page
from PIL import Image

from freeridge.figures import style
from freeridge.figures.catalogue import catalogue, stored
from freeridge.figures.entry import Entry
from freeridge.figures.record import Plan
from freeridge.tasks import prepare_jax

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.config import Config

SIZE, WORKERS = "quick", 2
LARGEST = (720, 480)  # of the small pictures, in pixels
STATIC = Path(__file__).parent / "gallery_static"


def draw(entries: list[Entry], folder: Path) -> None:
    """Draw the figures whose picture in the folder is not of this code, each in one of two processes.

    Raises
    ------
    RuntimeError
        When a figure could not be drawn, after all others have been.
    """
    names = [entry.name for entry in entries if not _is_drawn(entry, folder)]
    if not names:
        return
    _say(
        f"{len(names)} of {len(entries)} figures are to be drawn; all take some 25 minutes of processor time"
    )
    failed: list[str] = []
    others = set(active_children())
    with ProcessPoolExecutor(WORKERS, get_context("spawn"), initializer=gallery_worker.prepare) as pool:
        # The last ones of the catalogue take longest.
        jobs = {pool.submit(gallery_worker.draw, name, SIZE, folder): name for name in reversed(names)}
        try:
            for done, job in enumerate(as_completed(jobs), start=1):
                error = job.exception()
                failed += [f"{jobs[job]}: {error!r}"] if error else []
                _say(f"{done} of {len(jobs)}: {jobs[job]}{' failed' if error else ''}")
        except BaseException:
            for process in set(active_children()) - others:
                process.terminate()
            raise
    if failed:
        raise RuntimeError("figures of the gallery failed: " + "; ".join(failed))


def write(entries: list[Entry], folder: Path, pictures: Path | None) -> None:
    """Write the pages and the table of contents, only where they change; without pictures when None."""
    texts = {f"{entry.name}.md": page(entry, folder, pictures, _data(entry, pictures)) for entry in entries}
    if pictures is not None:
        for entry in entries:
            _shrink(pictures, entry.name)
    texts["contents.txt"] = contents(entries, folder, pictures)
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("*.md"):
        if path.name not in texts and path.name != "index.md":
            path.unlink()  # of a figure that is no longer there
    for name, text in texts.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def _is_drawn(entry: Entry, folder: Path) -> bool:
    """Whether the data are of this code and the picture is younger than they and the common look."""
    picture, data = folder / f"{entry.name}.png", folder / f"{entry.name}.nc"
    if not picture.exists() or stored(entry, Plan(SIZE), folder) is None:
        return False
    return picture.stat().st_mtime >= max(path.stat().st_mtime for path in (data, Path(style.__file__)))


def _data(entry: Entry, pictures: Path | None) -> Any:
    return None if pictures is None else stored(entry, Plan(SIZE), pictures)


def _shrink(pictures: Path, name: str) -> None:
    small, large = pictures / "small" / f"{name}.png", pictures / f"{name}.png"
    if small.exists() and small.stat().st_mtime >= large.stat().st_mtime:
        return
    small.parent.mkdir(exist_ok=True)
    with Image.open(large) as picture:
        shown = picture.convert("RGB")
        shown.thumbnail(LARGEST)
        shown.save(small)


def _say(text: str) -> None:
    print(f"gallery: {text}", file=sys.stderr, flush=True)


def _build(app: "Sphinx") -> None:
    prepare_jax()
    home = Path(app.srcdir)
    pictures = (home / app.config.gallery_pictures).resolve() if app.config.gallery_draw else None
    entries = catalogue()
    if pictures is not None:
        draw(entries, pictures)
    write(entries, home / "gallery", pictures)


def _add_style(app: "Sphinx", config: "Config") -> None:
    config.html_static_path.append(str(STATIC))
    app.add_css_file("gallery.css")


def setup(app: "Sphinx") -> dict[str, Any]:
    """Settings: whether to draw, and the folder of data and pictures, relative to that of the pages."""
    app.add_config_value("gallery_draw", True, "env", bool)
    app.add_config_value("gallery_pictures", "../out/gallery", "env", str)
    app.connect("config-inited", _add_style)
    app.connect("builder-inited", _build)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
