"""Loss curves from arrays and from CSV files: what is read, and what is refused by line and column."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from freeridge.solvers.errors import InvalidSetting
from freeridge.theory.tails.curves.loss_curve import LossCurve, read_curve


def write(folder: Path, text: str) -> Path:
    path = folder / "loss.csv"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("header", ["T,E", "tokens,loss", " Samples , TEST_ERROR ", "n,risk", "\ufeffT,E"])
def test_columns_have_the_names_that_people_use(tmp_path: Path, header: str) -> None:
    found = read_curve(write(tmp_path, f"{header}\n100,0.5\n1e3,.25\n"))
    assert set(found) == {"T", "E"}
    assert found["T"].tolist() == [100.0, 1000.0] and found["E"].tolist() == [0.5, 0.25]


def test_optional_columns_comments_and_others_columns(tmp_path: Path) -> None:
    text = (
        "# measured\nrun,width,tokens,loss,cut,stderr\n\na,64,1.5,0.5,10,0.1\n# more\nb,128,10,0.25,20,0.2\n"
    )
    found = read_curve(write(tmp_path, text))
    columns = {name: column.tolist() for name, column in found.items()}
    assert columns == {
        "T": [1.5, 10], "E": [0.5, 0.25], "standard_error": [0.1, 0.2], "d": [64, 128], "k": [10, 20]
    }  # fmt: skip
    assert LossCurve(**found).rows == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("T,E\n10,0.5\n100,\n", "line 3, column E = 'missing'"),
        ("T,E\n10,0.5\n100\n", "line 3, column E = 'missing'"),
        ("# c\nT,E\n\n10,-0.5\n", "line 4, column E = -0.5: expected a finite number > 0"),
        ("T,E\n0,0.5\n", "line 2, column T = 0.0"),
        ("T,loss\n10,nan\n", "line 2, column loss = nan"),
        ("T,E\ninf,0.5\n", "line 2, column T = inf"),
        ("T,E\n10,0.5x\n", "line 2, column E = '0.5x'"),
        ("T,E,se\n10,0.5,0\n", "line 2, column se = 0.0"),
        ("T,E\n10,0.5,7\n", "line 2 = '10,0.5,7': expected 2 cells"),
        ("10,0.5\n100,0.25\n", "line 1 = '10,0.5': expected a header"),
        ("T,weight\n10,0.5\n", "expected a header such as T,E or tokens,loss,standard_error; E is not there"),
        ("T,E,loss\n10,0.5,0.5\n", "line 1 = 'E and loss': expected one column for E"),
        ("", "expected a header"),
        ("T,E\n", "expected a line of numbers for each measurement"),
    ],
)
def test_refused_by_line_and_column(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InvalidSetting) as refused:
        read_curve(write(tmp_path, text))
    assert message in str(refused.value)


def test_a_file_that_is_no_text_and_one_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "loss.csv"
    path.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(InvalidSetting, match="text in UTF-8"):
        read_curve(path)
    with pytest.raises(FileNotFoundError):
        read_curve(tmp_path / "no.csv")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"E": [1.0, 0.5, 0.0]}, r"E\[2\] = 0.0: expected a finite number > 0"),
        ({"E": [1.0, np.nan, 0.2]}, r"E\[1\] = nan"),
        ({"T": [1.0, 10.0, -1.0]}, r"T\[2\] = -1.0"),
        ({"T": [1.0, 10.0]}, "T = .*: expected as many numbers as E has, 3"),
        ({"T": [5.0, 5.0, 5.0]}, "expected at least two values of T"),
        ({"standard_error": [0.1, 0.1]}, "standard_error = .*: expected as many numbers"),
        ({"standard_error": [0.1, 0.0, 0.1]}, r"standard_error\[1\] = 0.0"),
        ({"d": [64, 64, 64]}, "expected at least two values of d"),
        ({"E": "abc"}, "E = 'abc': expected a list of numbers > 0"),
        ({"E": 1.0}, "E = 1.0: expected a list of numbers > 0, one for each measurement"),
    ],
)
def test_arrays_are_refused_by_place(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidSetting, match=message):
        LossCurve(**{"T": [1.0, 10.0, 100.0], "E": [1.0, 0.5, 0.2], **given})


def test_standard_errors_of_the_logarithm() -> None:
    curve = LossCurve([1, 2], [0.5, 0.25], [0.05, 0.05])
    assert curve.log_scale is not None
    np.testing.assert_allclose(curve.log_scale, np.array([0.1, 0.2]))
    assert LossCurve([1, 2], [0.5, 0.25]).log_scale is None
