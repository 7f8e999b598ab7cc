"""What the command answers about a file with a loss curve: text, record, picture."""

import json
from pathlib import Path

import numpy as np
import pytest
from tests.theory.tails.curves.curve_cases import CASES

from freeridge.fitting import answer, draw, fit_file
from freeridge.solvers.errors import InvalidSetting
from freeridge.theory.tails.curves.comparison import CurveComparison, fit_curve
from freeridge.theory.tails.curves.loss_curve import read_curve
from freeridge.theory.tails.curves.shapes import mixing_shape

EXAMPLE = Path(__file__).parents[1] / "examples" / "loss-curve.csv"
TRUTH = {"A": 60.0, "c": 0.3, "T_k": 3e7, "pi": 0.02}


def test_the_example_is_made_as_it_says() -> None:
    curve = read_curve(EXAMPLE)
    noise = 0.03 * np.random.default_rng(5).standard_normal(28)
    shape = mixing_shape(curve["T"], *(TRUTH[name] for name in ("c", "T_k", "pi")))
    np.testing.assert_allclose(curve["E"], TRUTH["A"] * np.exp(shape + noise), atol=6e-6)


def test_the_example_is_recognised(tmp_path: Path) -> None:
    found = fit_file(EXAMPLE)
    assert isinstance(found, CurveComparison)
    assert found.best.law.name == "mixing" and found.regime == "past a plateau"
    assert all(interval.low < TRUTH[name] < interval.high for name, interval in found.parameters.items())
    record, text = answer(EXAMPLE, found)
    assert json.loads(json.dumps(record))["result"]["best"] == "mixing" and record["file"] == str(EXAMPLE)
    assert "Past a plateau from T =" in text
    draw(found, tmp_path / "loss.svg")
    drawn = (tmp_path / "loss.svg").read_text()
    assert all(label in drawn for label in ("measured", "level", "begin", "end", "cut", "floor"))


def test_one_law_with_options() -> None:
    found = fit_file(EXAMPLE, law="generations", confidence=0.9, generations=2)
    record, text = answer(EXAMPLE, found)
    assert record["result"]["confidence"] == 0.9 and "n = 2" in record["result"]["equation"]
    assert "90% from" in text
    with pytest.raises(InvalidSetting, match="law = 'linear'"):
        fit_file(EXAMPLE, law="linear")


def test_pictures_of_one_law(tmp_path: Path) -> None:
    """With standard errors, and with a curve for each size."""
    curve = read_curve(EXAMPLE)
    path = tmp_path / "loss.png"
    draw(fit_curve(**curve, law="mixing", standard_error=0.03 * curve["E"]), path)
    assert path.read_bytes().startswith(b"\x89PNG")
    case = CASES["triplet"]
    some = case.columns["k"] < 200
    columns = {name: column[some] for name, column in case.columns.items()}
    sizes = tmp_path / "sizes.svg"
    draw(fit_curve(E=next(case.draws(1, 1))[some], law="triplet", **columns), sizes)
    assert "triplet" in sizes.read_text() and "d = 10, k = 100" in sizes.read_text()
