"""What every test runs under: double precision, no display, reproducible random examples.

The run-time check of shapes and types is switched on by --jaxtyping-packages in pyproject.toml, which is why
nothing of freeridge may be imported here.
"""

import builtins
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import pytest
from hypothesis import settings

os.environ.setdefault("MPLBACKEND", "Agg")  # figures are written to files, also where there is no display
# Read by the processes that a test starts; this one has imported JAX already and is told below.
os.environ["JAX_ENABLE_X64"] = "1"
# They find freeridge where pytest does, installed or not.
source = str(Path(__file__).parents[1] / "src")
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [source, os.environ.get("PYTHONPATH")]))

jax.config.update("jax_enable_x64", True)


CACHE = "FREERIDGE_TESTS_CACHE"


def pytest_configure(config: pytest.Config) -> None:
    """Most of the time of the fast tests is spent in the compiler: they do without its costly passes, and
    what one process has compiled, or has had to forget, is read by the others. Slow tests and benchmarks
    compile all by themselves.
    """
    if "not slow" not in config.getoption("markexpr"):
        return
    flags = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
    os.environ.setdefault("XLA_FLAGS", flags)
    if CACHE not in os.environ:  # the first process; its workers have its environment
        os.environ[CACHE] = tempfile.mkdtemp(prefix="freeridge-tests-")
        config.add_cleanup(lambda: shutil.rmtree(os.environ.pop(CACHE), ignore_errors=True))
    jax.config.update("jax_compilation_cache_dir", os.environ[CACHE])
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)


# An integer or single-precision array that slips into a formula is an error, not a silent conversion.
jax.config.update("jax_numpy_dtype_promotion", "strict")

# The first example of a test compiles, so a deadline would fail it; derandomize: the same examples every run.
settings.register_profile("freeridge", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("freeridge")


@pytest.fixture(autouse=True, scope="module")
def room_for_programs() -> Iterator[None]:
    """Forget compiled programs before a process meets the limit of Linux on memory maps, 65,530."""
    yield
    maps = Path("/proc/self/maps")
    if maps.exists() and maps.read_bytes().count(b"\n") > 45_000:
        jax.clear_caches()


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Processes of their own share a cache of compiled programs; in this one it would outlive the test."""
    folder = tmp_path_factory.getbasetemp() / "cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    monkeypatch.setattr("freeridge.tasks.prepare_jax", lambda: None)
    return folder


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str], cache: Path) -> Any:
    """Run the command in this process: exit code, output, messages."""
    from freeridge import cli  # not earlier: see above

    def run(*words: object) -> tuple[int, str, str]:
        code = cli.main([str(word) for word in words])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture
def no_sklearn(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine without scikit-learn."""
    _without("sklearn", monkeypatch)


@pytest.fixture
def no_optax(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine without optax."""
    _without("optax", monkeypatch)


def _without(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **options: Any) -> Any:
        if name.startswith(package):
            raise ImportError(name)
        return real(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", without)
