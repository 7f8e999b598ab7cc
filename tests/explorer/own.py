"""A small setting in a file, by which the explorer can be tried without waiting for a compiler."""

from pathlib import Path

from freeridge.explorer.state import start
from freeridge.settings import settings

OWN = str(Path(__file__).parent / "least_squares.py")
ALLOWED = {**settings(), OWN: OWN}
SQUARES = start(OWN)
