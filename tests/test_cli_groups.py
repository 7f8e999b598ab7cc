"""The command line on settings with groups, on their examples, and on a user's own data."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import freeridge as fr
from freeridge.expressions import evaluate
from freeridge.language import read_file

EXAMPLES = Path(__file__).parents[1] / "examples"


def _file(tmp_path: Path) -> str:
    path = tmp_path / "groups.toml"
    path.write_text(
        """
        setting = "BiasAmplification"
        [let]
        truth = "RandomVector(Isotropic(20, 1 / 20))"
        easy = "Population(Isotropic(20), truth, 0.1, 0.5)"
        hard = "Population(Isotropic(20, 0.5), truth, 0.4, 0.5)"
        [fields]
        groups = ["easy", "hard"]
        n = 60
        ridge = 0.1
        """
    )
    return str(path)


def test_groups_are_columns_of_their_own(ask: Any, tmp_path: Path) -> None:
    out, plot = tmp_path / "bias.csv", tmp_path / "bias.png"
    code, _, err = ask(
        "sweep", _file(tmp_path), "--n", "40,60", "--ridge", "0.01,0.1,1", "--out", out, "--plot", plot
    )
    assert (code, err) == (0, "")
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert len(rows) == 6 and plot.read_bytes().startswith(b"\x89PNG")
    expected = read_file(Path(_file(tmp_path)))
    setting = expected.build(expected.values(expected.names()) | {"n": 60.0, "ridge": 1.0})
    prediction = setting.predict()
    assert float(rows[-1]["group_risks_2"]) == pytest.approx(float(prediction.group_risks[1]), rel=1e-12)
    assert float(rows[-1]["odd"]) == pytest.approx(float(prediction.odd), rel=1e-9)
    assert "group_risks" not in rows[0]


def test_one_setting_is_a_line_per_quantity_and_group(ask: Any, tmp_path: Path) -> None:
    code, out, _ = ask("predict", _file(tmp_path))
    assert code == 0 and "own_risks_1" in out and "own_risks_2" in out
    code, out, _ = ask("predict", _file(tmp_path), "--json")
    assert len(json.loads(out)["result"]["own_risks"]) == 2


def test_equal_groups_are_said_to_have_no_ratio(ask: Any, tmp_path: Path) -> None:
    path = tmp_path / "equal.toml"
    path.write_text(Path(_file(tmp_path)).read_text().replace('"easy", "hard"', '"easy", "easy"'))
    code, out, err = ask("predict", path, "--json")
    assert code == 0 and json.loads(out)["result"]["add"] == "nan"
    assert "EDD = 0" in err and json.loads(out)["code"] == 4


def test_training_time_is_an_axis(ask: Any) -> None:
    path = [
        *["predict", "GradientFlow", "--time", "[0.5, 5.0]", "--mixture"],
        "RidgeMixture([Population(Isotropic(20), RandomVector(Isotropic(20, 0.05)), 0.1, 1.0)], 40, 0.0)",
    ]
    code, out, _ = ask(*path)
    assert code == 0 and "time" in out and "0.5" in out and "index" not in out


@pytest.mark.parametrize(
    "name", ["bias-amplification", "gradient-flow", "minority-groups", "phase-diagram", "curation"]
)
def test_examples_predict_certified(ask: Any, name: str) -> None:
    code, out, err = ask("predict", EXAMPLES / f"{name}.toml", "--json")
    assert (code, err) == (0, "") and json.loads(out)["ok"]


def test_own_data_in_an_expression(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x, group = rng.standard_normal((90, 5)), np.repeat([0.0, 1.0, 1.0], 30)
    for name, values in (("x", x), ("y", x[:, 0] + 0.1 * rng.standard_normal(90)), ("g", group)):
        np.save(tmp_path / f"{name}.npy", values)
    groups = evaluate("groups_from_data(load('x.npy'), load('y.npy'), load('g.npy'))", {}, folder=tmp_path)
    assert fr.BiasAmplification(groups, n=30, ridge=0.1).predict().ok
    assert [round(float(one.share), 6) for one in groups] == [0.333333, 0.666667]
