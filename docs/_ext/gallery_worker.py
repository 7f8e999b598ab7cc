"""What the processes do that draw the gallery."""

import signal
from pathlib import Path

from freeridge.tasks import prepare_jax


def prepare() -> None:
    """Once in each process: Ctrl-C is for the build alone, which ends its processes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    prepare_jax()


def draw(name: str, size: str, folder: Path) -> None:
    """Compute and draw one figure."""
    # Settings have arrays for defaults: imported when double precision is on.
    from freeridge.figures.catalogue import draw_figures

    draw_figures([name], size, folder, progress=False)
