"""The command ``freeridge explore``: a local page with a slider for every number of a setting."""

from freeridge import tasks
from freeridge.options import Flag


def explore(*files: str, port: int = 8050, no_browser: Flag = False) -> int:
    """Explore settings on a local page: sliders, curves, phase diagrams, simulations on demand.

    Parameters
    ----------
    files
        Python files with settings of your own, beside those of the library.
    port
        Of the page, on this machine alone; 0 for any that is free.
    no_browser
        Do not open the page, only say where it is.
    """
    try:
        import dash  # noqa: F401
    except ImportError:
        raise ImportError("explore needs dash: pip install 'freeridge[explore]'") from None
    tasks.prepare_jax()
    from freeridge.explorer.server import serve

    serve(files, port, browser=not no_browser)
    return 0
