"""The command line: every verb, both examples, and no traceback whatever is typed."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import xarray

import freeridge as fr
from freeridge import cli
from freeridge.language import read_file
from freeridge.plotting import grid_of_dataset
from freeridge.solvers.storage import load_dataset

# Processes of their own must not write to the cache of the person who runs the tests.
pytestmark = pytest.mark.usefixtures("cache")

EXAMPLES = Path(__file__).parents[1] / "examples"
TWO = str(EXAMPLES / "two-populations.toml")
SMALL = [
    *["ModelCollapse", "--covariance", "Isotropic(20)", "--n", "40", "--real-share", "0.5"],
    *["--quality", "0.2", "--noise-variance", "0.1", "--ridge", "0.1"],
]


def _with(field: str, value: str) -> list[str]:
    """The small setting with another value for one field."""
    words = ["predict", *SMALL]
    if field in words:
        words[words.index(field) + 1] = value
        return words
    return [*words, field, value]


def _small(**changes: Any) -> fr.ModelCollapse:
    fields: dict[str, Any] = {"covariance": fr.Isotropic(20), "n": 40, "real_share": 0.5, "quality": 0.2}
    return fr.ModelCollapse(**(fields | {"noise_variance": 0.1, "ridge": 0.1} | changes))


def test_predict_prints_what_python_computes(ask: Any) -> None:
    code, out, err = ask("predict", *SMALL, "--json")
    assert (code, err) == (0, "")
    record, expected = json.loads(out), _small().predict()
    assert record["result"] == {name: float(value) for name, value in expected.quantities.items()}
    assert record["parameters"] == {
        "covariance": "Isotropic(20)",
        **{"n": 40, "real_share": 0.5, "quality": 0.2, "noise_variance": 0.1, "ridge": 0.1},
    }
    assert record["code"] == 0 and record["ok"] and record["residual"] < 1e-12
    assert set(record["versions"]) == {"freeridge", "jax", "numpy", "python"}


def test_the_table_for_people(ask: Any) -> None:
    code, out, _ = ask("predict", *SMALL, "--covariance.scale", "2.0", "--noise-variance=0.1")
    assert code == 2  # noise_variance twice
    code, out, _ = ask("predict", *SMALL, "--covariance.scale", "2.0")
    assert code == 0
    assert out.splitlines()[0].strip() == "predict ModelCollapse"
    assert [line.split()[1] for line in out.splitlines()[4:-1]] == [
        *["risk", "bias", "collapse", "variance", "residual", "code"]
    ]


def test_a_diverging_prediction_is_an_answer(ask: Any) -> None:
    words = ["ModelCollapse", *_with("--n", "20")[2:]]
    words[words.index("--ridge") + 1] = "0,0.1"
    code, out, err = ask("predict", *words, "--json")
    record = json.loads(out)
    assert code == 0 and not record["ok"]
    assert record["result"]["risk"][0] == "inf" and record["result"]["risk"][1] < 1
    assert record["axes"] == {"ridge": [0, 0.1]} and record["code"] == [1, 0]
    assert err.startswith("freeridge: the limit is infinite here") and err.count("\n") == 1


def test_simulate_and_validate_agree_with_python(ask: Any) -> None:
    record = json.loads(ask("simulate", *SMALL, "--replicates", 3, "--key", 7, "--json")[1])
    expected = _small().simulate(7, 3)
    assert record["result"]["risk"] == float(expected.risk)
    assert record["standard_error"]["risk"] == float(expected.standard_error["risk"])
    assert (record["seed"], record["replicates"], record["sizes"]) == (7, 3, {"n": 40, "d": 20})
    record = json.loads(ask("validate", *SMALL, "--replicates", 3, "--key", 7, "--json")[1])
    assert record["result"]["risk"]["simulation"] == float(expected.risk)
    assert "z" in ask("validate", *SMALL, "--size", "quick")[1].splitlines()[0].split()


def test_sweep_is_that_of_python_in_every_format(ask: Any, tmp_path: Path) -> None:
    out, plot = tmp_path / "new" / "sweep.csv", tmp_path / "sweep.png"
    words = ["sweep", *SMALL, "--covariance.scale", "[1, 2]", "--replicates", 2, "--out", out, "--plot", plot]
    words[words.index("--ridge") + 1] = "logspace(-2, 0, 2)"
    code, text, err = ask(*words, "--json")
    assert (code, err) == (0, "")
    paths = [_small(covariance=fr.Isotropic(20, scale), ridge=[0.01, 1.0]) for scale in (1.0, 2.0)]
    expected = np.stack([path.predict().risk for path in paths], axis=1)
    record = json.loads(text)
    np.testing.assert_allclose(record["result"]["risk"], expected, rtol=1e-10)
    simulated, error = (
        np.array(record["result"][f"risk_{name}"]) for name in ("simulated", "standard_error")
    )
    assert simulated.shape == error.shape == (2, 2) and np.all(error > 0)
    assert record["axes"]["covariance.scale"] == [1.0, 2.0] and record["replicates"] == 2
    rows = list(csv.DictReader(out.read_text().splitlines()))
    np.testing.assert_allclose([float(row["risk"]) for row in rows], expected.ravel(), rtol=1e-10)
    assert list(rows[1])[:2] == ["ridge", "covariance.scale"] and rows[1]["covariance.scale"] == "2.0"
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert not list(tmp_path.rglob(".*"))


def test_a_ridge_path_into_netcdf(ask: Any, tmp_path: Path) -> None:
    path = tmp_path / "path.nc"
    assert ask(*_with("--ridge", "[0.1, 1]"), "--out", path, "--plot", tmp_path / "path.pdf")[0] == 0
    found = load_dataset(path)
    np.testing.assert_allclose(found.risk, _small(ridge=[0.1, 1.0]).predict().risk, rtol=1e-12)
    assert list(found.ridge) == [0.1, 1.0]
    assert json.loads(found.attrs["parameters"])["ridge"] == [0.1, 1]


def test_sweep_says_how_many_points_are_missing(ask: Any) -> None:
    words = ["sweep", *SMALL, "--json"]
    words[words.index("--ridge") + 1] = "0.1,-1"
    code, out, err = ask(*words)
    assert code == 0 and json.loads(out)["result"]["risk"][1] == "nan"
    assert err == "freeridge: of 2 points 1 INVALID; their code says which\n"


def test_rounds_are_an_axis_of_their_own(ask: Any, tmp_path: Path) -> None:
    words = ["IterativeMixing", *_with("--ridge", "0")[2:], "--rounds", 3]
    record = json.loads(
        ask("predict", *words, "--json", "--plot", tmp_path / "rounds.pdf", "--out", tmp_path / "r.nc")[1]
    )
    assert record["axes"] == {"round": [1, 2, 3]} and len(record["result"]["risk"]) == 3


def test_a_sweep_over_rounds() -> None:
    setting = fr.IterativeMixing(fr.Isotropic(5), 20, 0.5, 0.1, 0.1, ridge=0.0, rounds=3)
    variables = {
        "risk": (("n", "index_0"), np.ones((2, 3))),
        "residual": ("n", np.zeros(2)),
        "code": ("n", [0, 1]),
    }
    grid = grid_of_dataset(xarray.Dataset(variables, coords={"n": [20.0, 40.0]}), setting)
    assert list(grid.axes) == ["n", "round"]
    assert list(grid.rows())[:4] == [[20.0, k, 1.0, 0.0, 0] for k in (1, 2, 3)] + [[40.0, 1, 1.0, 0.0, 1]]


def test_example_of_model_collapse(ask: Any) -> None:
    path = EXAMPLES / "model-collapse.toml"
    record = json.loads(ask("predict", path, "--json")[1])
    setting = fr.ModelCollapse(fr.PowerLaw(200, 0.5), 400, 0.8, quality=0.5, noise_variance=0.1, ridge=1e-3)
    np.testing.assert_allclose(record["result"]["risk"], setting.predict().risk, rtol=1e-12)
    description = read_file(path)
    axes = description.values(description.names(), description.sweep)
    assert list(axes) == ["n", "real_share"] and axes["n"][-1] == 1e5


def test_example_of_two_populations(ask: Any) -> None:
    results = [
        json.loads(ask("predict", TWO, "--test", test, "--json")[1])["result"] for test in (0, 1, "minority")
    ]
    assert results[0]["risk"] < results[1]["risk"] == results[2]["risk"]
    code, out, _ = ask("validate", TWO, "--replicates", 2, "--json")
    assert code == 0 and json.loads(out)["sizes"] == {"n": 400, "d": 200, "features": 300}


BAD = {
    "negative ridge": (_with("--ridge", "-0.1"), "ridge = -0.1: expected a finite number >= 0"),
    "NaN": (_with("--quality", "nan"), "quality = nan: expected"),
    "no rows": (_with("--n", "0"), "n = 0"),
    "no features": (_with("--features", "0"), "features = 0"),
    "share": (_with("--real-share", "1.5"), "real_share = 1.5"),
    "shares": (["predict", TWO, "--populations.0.share", "0.5"], "expected a sum of one, not 0.75"),
    "shapes": (_with("--signal", "Isotropic(3)"), "a covariance of dimension 20"),
    "list for a number": (_with("--n", "[1, 2]"), "n = [1, 2]: expected one number"),
    "indefinite": (_with("--covariance", "Dense([[1, 2], [2, 1]])"), "positive semi-definite"),
    "unknown field": (_with("--rigde", "1"), "rigde = '1': expected a known name, perhaps ridge"),
    "unknown nested field": (_with("--covariance.size", "1"), "Isotropic has the fields d, scale"),
    "missing field": (["predict", "ModelCollapse", "--n", "3"], "cannot do without covariance"),
    "no value": (["predict", "ModelCollapse", "--n"], "a value after --n"),
    "no setting": (["predict"], "or the path of one TOML file"),
    "unknown setting": (["predict", "ModelColapse"], "perhaps ModelCollapse"),
    "absent file": (["predict", "absent.toml"], "No such file"),
    "no code": (_with("--ridge", "__import__('os')"), "not a call of __import__"),
    "test of one": ([*_with("--ridge", "1"), "--test", "1"], "test = '1'"),
    "test of none": (["predict", TWO, "--test", "2"], "test = 2"),
    "half a row": (["simulate", TWO, "--n", "401"], "whole number"),
    "one replicate": (["simulate", TWO, "--replicates", "1"], "replicates = 1"),
    "seed": (["simulate", TWO, "--key", "-1"], "key = -1"),
    "no axis": (["sweep", *SMALL], "at least one field"),
    "empty axis": (["sweep", TWO, "--ridge", "[]"], "at least one value"),
    "unknown axis": (["sweep", TWO, "--rigde", "1,2"], "perhaps ridge"),
    "suffix": ([*_with("--ridge", "1"), "--out", "a.txt"], "out = 'a.txt': expected a file name"),
    "folder": ([*_with("--ridge", "1"), "--out", "/dev/null/a.nc"], "a folder that can be written to"),
    "nothing to draw": ([*_with("--ridge", "1"), "--plot", "a.png"], "one or two axes"),
    "unknown figure": (["figures", "figure-zero"], "figure = 'figure-zero': expected a known name"),
    "suite with a test": (["validate", "--test", "1"], "test = '1'"),
    "suite with a setting": (["validate", TWO, "--suite", "bias"], "suite = 'bias'"),
    "unknown suite": (["validate", "--suite", "groups"], "groups"),
    "unknown verb": (["pre-dict"], "pre-dict"),
    "unknown option": (["figures", "--sizes", "quick"], "--sizes"),
    "choice": (["validate", "--size", "huge"], "huge"),
    "no number": (["simulate", TWO, "--replicates", "x"], "--replicates"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_code_2(ask: Any, case: str) -> None:
    words, expected = BAD[case]
    code, out, err = ask(*words)
    assert (code, out) == (cli.USER_ERROR, "")
    assert err.startswith("freeridge: ") and err.count("\n") == 1
    assert expected in err


def test_single_precision_and_broken_files(ask: Any, tmp_path: Path) -> None:
    single, broken = tmp_path / "single.npy", tmp_path / "broken.toml"
    np.save(single, np.eye(20, dtype=np.float32))
    code, _, err = ask(*_with("--covariance", f"Dense(load('{single}'))"))
    assert code == 2 and "float64" in err and err.count("\n") == 1
    broken.write_text('setting = "ModelCollapse"\n[fields\n')
    code, _, err = ask("predict", broken)
    assert code == 2 and "broken.toml, line 2 = '[fields'" in err and err.count("\n") == 1


def test_output_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "read-only").touch()
    with (tmp_path / "read-only").open() as closed:
        found = _process("predict", *SMALL, stdout=closed)
    assert found.returncode == cli.USER_ERROR
    assert found.stderr.startswith("freeridge: ") and found.stderr.count("\n") == 1


def test_a_reader_that_leaves() -> None:
    process = subprocess.Popen(_command("predict", *SMALL), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert (process.stderr.read(), process.wait(timeout=120)) == (b"", cli.BROKEN_PIPE)
    process.stderr.close()


def test_an_interruption(ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(fr, "validate", interrupted)
    assert ask("validate", *SMALL) == (cli.INTERRUPTED, "", "freeridge: interrupted\n")


class Census(SimpleNamespace):
    """What the command asks of a census."""

    def to_dict(self) -> dict[str, Any]:
        return {"settings": [self.name]}

    def __str__(self) -> str:
        return f"the census of {self.name}"


def test_the_suites_decide_the_exit_code(ask: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from freeridge.theory import bias_suite, suite
    from freeridge.theory.memorization import spurious_suite
    from freeridge.theory.pruning import pruned_suite
    from freeridge.theory.tails import hutter_suite

    out = tmp_path / "census.json"
    for one, other in [(True, True), (True, False), (False, True)]:
        mixture = Mock(return_value=Census(agrees=one, name="mixtures"))
        bias = Mock(return_value=Census(agrees=other, name="groups"))
        monkeypatch.setattr(suite, "run_suite", mixture)
        monkeypatch.setattr(bias_suite, "run_bias_suite", bias)
        assert ask("validate", "--key", 3) == (int(not one), "the census of mixtures\n", "")
        assert ask("validate", "--suite", "bias", "--size", "quick", "--json")[0] == int(not other)
        tails = Mock(return_value=Census(agrees=True, name="tails"))
        monkeypatch.setattr(hutter_suite, "run_tail_suite", tails)
        pruned = Mock(return_value=Census(agrees=True, name="pruned data"))
        monkeypatch.setattr(pruned_suite, "run_pruned_suite", pruned)
        spurious = Mock(return_value=Census(agrees=True, name="spurious features"))
        monkeypatch.setattr(spurious_suite, "run_spurious_suite", spurious)
        names = ("mixtures", "groups", "tails", "pruned data", "spurious features")
        every = "\n\n".join(f"the census of {name}" for name in names) + "\n"
        assert ask("validate", "--suite", "all", "--out", out) == (int(not (one and other)), every, "")
        for one_more in (tails, pruned, spurious):
            assert one_more.call_args.args == (0, "full")
        assert [call.args for call in mixture.call_args_list] == [(3, "full"), (0, "full")]
        assert [call.args for call in bias.call_args_list] == [(0, "quick"), (0, "full")]
    assert json.loads(out.read_text())["result"]["bias"] == {"settings": ["groups"]}


def test_figures_are_listed_and_drawn(ask: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from freeridge.figures import catalogue

    listed = json.loads(ask("figures", "--list", "--json")[1])
    assert {"name", "paper", "figure", "shows", "cost", "main"} == set(listed[0])
    assert listed[0]["name"] in ask("figures", "--list")[1]
    draw = Mock(return_value=[tmp_path / "a.pdf"])
    monkeypatch.setattr(catalogue, "draw_figures", draw)
    assert ask("figures", "--out", tmp_path) == (0, f"{tmp_path / 'a.pdf'}\n", "")
    assert ask("figures", listed[1]["name"], "--size", "paper")[0] == 0
    asked = [(list(call.args[0]), call.args[1]) for call in draw.call_args_list]
    mains = [entry["name"] for entry in listed if entry["main"]]
    assert asked == [(mains, "quick"), ([listed[1]["name"]], "paper")]


def _process(*words: object, stdout: Any = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    return subprocess.run(_command(*words), stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=120)


def _command(*words: object) -> list[str]:
    return [sys.executable, "-m", "freeridge.cli", *map(str, words)]


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from freeridge.cli import main; code = main(['--help'])\n"
        "print({'jax', 'numpy', 'scipy', 'matplotlib', 'xarray', 'equinox'} & set(sys.modules), code)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.splitlines()[-1] == "set() 0"
    assert all(verb in found.stdout for verb in ("predict", "simulate", "validate", "sweep", "figures"))


def test_a_process_of_its_own_keeps_what_it_compiled(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAX_ENABLE_X64", "0")  # the command switches it on by itself
    found = _process("predict", *SMALL, "--json")
    assert (found.returncode, found.stderr) == (0, "")
    np.testing.assert_allclose(
        json.loads(found.stdout)["result"]["risk"], _small().predict().risk, rtol=1e-12
    )
    assert list((cache / "freeridge").iterdir())


def test_a_cache_that_cannot_be_written_to_is_done_without() -> None:
    code = (
        "from freeridge.tasks import prepare_jax; prepare_jax(); import jax; print(jax.numpy.ones(1).dtype)"
    )
    environment = os.environ | {"XDG_CACHE_HOME": "/dev/null"}
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert (found.stdout, found.stderr) == ("float64\n", "")


def test_control_c_leaves_one_line(tmp_path: Path) -> None:
    many = ["simulate", *SMALL, "--replicates", 10**7]
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path)}
    process = subprocess.Popen(
        _command(*many), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "freeridge").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(2.0)  # now it is at work
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == cli.INTERRUPTED
    assert err.startswith("freeridge: interrupted") and err.count("\n") == 1
