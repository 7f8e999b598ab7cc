"""The settings in which the exact error of a learner that memorises is held against its simulation.

There is no limit in this theory, so that nothing has to be extrapolated: mean and theory agree at any size,
within the standard error. Left out are settings in which a replicate misses, but for one in thousands,
nothing but what all of them miss: there a handful of replicates has no standard error.
"""

from freeridge.solvers.census import Census, require_size, validate_all
from freeridge.solvers.replicates import Key
from freeridge.theory.tails.zipf_tail import ZipfTail

# Replicates, and the most training samples.
SIZES = {"full": (100, 1e10), "quick": (20, 1e5)}


def settings() -> dict[str, ZipfTail]:
    """Named settings of every kind.

    Examples
    --------
    >>> len(settings())
    40
    """
    chain = {"generator_samples": 10_000}
    return {
        # clean data, from the heaviest tail to a light one, from ten samples to a billion
        "clean beta 1.1": ZipfTail(1.1, 1e5),
        "clean beta 1.2, T 1e7": ZipfTail(1.2, 1e7),
        "clean beta 1.5, T 10": ZipfTail(1.5, 10),
        "clean beta 1.5, T 1e9": ZipfTail(1.5, 1e9),
        "clean beta 2": ZipfTail(2.0, 1e5),
        "clean beta 2, T 1e9": ZipfTail(2.0, 1e9),
        "clean beta 3": ZipfTail(3.0, 1e4),
        "clean beta 5": ZipfTail(5.0, 1e3),
        # tail cut: below, at and near the plateau
        "cut 10": ZipfTail(1.5, 30, k=10),
        "cut 100": ZipfTail(1.5, 1e3, k=100),
        "cut 1e4, growing": ZipfTail(1.5, 1e5, k=10_000),
        "cut 1e6, T 1e9": ZipfTail(1.5, 1e9, k=1_000_000),
        "cut 1000, beta 1.2": ZipfTail(1.2, 3e3, k=1000),
        "cut 30, beta 2": ZipfTail(2.0, 1e3, k=30),
        "cut 1e15": ZipfTail(1.1, 1e4, k=10**15),
        # narrower and wider generators
        "exponent 2": ZipfTail(1.5, 1e5, exponent=2.0),
        "exponent 3 of 1.2": ZipfTail(1.2, 1e4, exponent=3.0),
        "exponent 1.2 of 2": ZipfTail(2.0, 1e4, exponent=1.2),
        "temperature 0.9": ZipfTail(1.5, 1e6, temperature=0.9),
        "temperature 1.1, top 0.9": ZipfTail(1.5, 1e4, temperature=1.1, top_p=0.9),
        "top 0.95": ZipfTail(1.5, 1e3, top_p=0.95),
        "top 0.99, beta 2": ZipfTail(2.0, 300, top_p=0.99),
        # real data among the generated: before, on and after the plateau
        "1 % real, before": ZipfTail(1.5, 100, k=100, real_share=0.01),
        "1 % real, on the plateau": ZipfTail(1.5, 1e4, k=100, real_share=0.01),
        "1 % real, after": ZipfTail(1.5, 1e7, k=100, real_share=0.01),
        "10 % real, beta 2": ZipfTail(2.0, 1e5, k=5, real_share=0.1),
        "half real, narrow": ZipfTail(1.5, 1e6, exponent=2.5, real_share=0.5),
        "0.1 % real, narrow": ZipfTail(1.5, 1e9, exponent=2.5, real_share=1e-3),
        # real data beside them
        "1000 real": ZipfTail(1.5, 1e5, k=1000, real_samples=1000),
        "10,000 real, beta 2": ZipfTail(2.0, 300, k=10, real_samples=10_000),
        "1e6 real, narrow": ZipfTail(1.5, 1e6, exponent=2.0, real_samples=1e6),
        # a tail that is bought
        "bought next to the cut": ZipfTail(1.5, 1e4, k=100, bought_from=101),
        "bought with a gap": ZipfTail(1.5, 1e4, k=100, bought_from=200),
        "bought with an overlap": ZipfTail(1.5, 1e5, k=1000, bought_from=100, bought_share=0.1),
        # generations
        "1 generation": ZipfTail(1.5, 1e4, **chain),
        "3 generations": ZipfTail(1.5, 1e5, generations=3, **chain),
        "10 generations, few samples": ZipfTail(1.5, 200, generations=10, **chain),
        "5 generations of 1e8": ZipfTail(1.5, 1e9, generator_samples=10**8, generations=5),
        "2 generations, cut and real": ZipfTail(1.5, 1e4, k=500, real_samples=300, generations=2, **chain),
        "2 generations, narrow": ZipfTail(1.5, 1e5, exponent=2.0, generations=2, **chain),
    }


def run_tail_suite(key: Key = 0, size: str = "full", *, progress: bool = False) -> Census:
    """Theory against simulation in every setting.

    Parameters
    ----------
    key : int or JAX key
        Seed.
    size : {"full", "quick"}
        All settings with 100 replicates, or those of at most 1e5 samples with 20.
    progress : bool
        Show a progress bar on standard error.
    """
    require_size(size, SIZES)
    replicates, most = SIZES[size]
    chosen = {name: one for name, one in settings().items() if max(one.T, one.real_samples) <= most}
    return validate_all(chosen, replicates, key, progress=progress)
