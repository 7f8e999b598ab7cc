"""What the catalogue knows of a figure."""

from collections.abc import Callable
from dataclasses import dataclass

import xarray as xr
from matplotlib.figure import Figure

from freeridge.figures.record import Plan


@dataclass(frozen=True)
class Entry:
    """A figure of a paper.

    Parameters
    ----------
    name : str
        What to call it by, on the command line and as the file name.
    paper, figure, shows : str
        Where it is, and what there is to see.
    cost : str
        Processor time with compilation; paper size is scaled from quick by the number of simulations.
    main : bool
        Whether it is drawn when no figure is named.
    compute : callable
        From a :class:`freeridge.figures.record.Plan` to the data of the figure.
    draw : callable
        From these data to the picture.
    """

    name: str
    paper: str
    figure: str
    shows: str
    cost: str
    main: bool
    compute: Callable[[Plan], xr.Dataset]
    draw: Callable[[xr.Dataset], Figure]
