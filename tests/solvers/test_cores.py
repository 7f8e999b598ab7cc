"""One core where there are others beside, and one thread for every BLAS there is."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from threadpoolctl import threadpool_info

from freeridge.solvers.cores import alone, available_cores, one_blas_thread


def _threads() -> set[int]:
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


def test_who_is_alone_takes_one_core() -> None:
    everything = available_cores()
    with alone(), ThreadPoolExecutor(1) as pool:
        assert available_cores() == 1
        assert pool.submit(available_cores).result() == everything  # another thread is another computation
    assert available_cores() == everything


def test_the_limit_holds_until_all_have_left() -> None:
    before = _threads()

    def limited() -> set[int]:
        with one_blas_thread:
            return _threads()

    for _ in range(2):
        with one_blas_thread:
            with ThreadPoolExecutor(1) as pool:
                assert pool.submit(limited).result() == {1}
            assert _threads() == {1}
        assert _threads() == before


def test_a_library_that_would_be_loaded_later_is_limited_too() -> None:
    # In a process of its own: here all are loaded.
    program = """
from freeridge.solvers.cores import one_blas_thread
from threadpoolctl import threadpool_info
with one_blas_thread:
    import numpy, scipy.linalg
    print({library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"})
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout == "{1}\n"
