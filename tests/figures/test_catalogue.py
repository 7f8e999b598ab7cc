"""The catalogue of figures, and one small figure from the data to the files."""

import importlib
import json
import warnings
from dataclasses import fields
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from freeridge.figures import catalogue as module
from freeridge.figures.catalogue import Entry, catalogue, draw_figures, stored
from freeridge.figures.description import descriptions, introductions
from freeridge.figures.practice_entries import practice_entries
from freeridge.figures.record import Plan, record, simulation, theory
from freeridge.figures.style import line_and_points, panels
from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.storage import StorageError, load_dataset
from freeridge.theory.collapse import ModelCollapse
from freeridge.theory.covariance import Isotropic

computed: list[Plan] = []
setting = ModelCollapse(Isotropic(20), 60, real_share=0.5, quality=0.1, noise_variance=1.0, ridge=0.1)
axes = {"quality": [0.1, 1.0]}


@cache
def curves() -> xr.Dataset:
    return theory(setting, {**axes, "n": np.linspace(20.0, 60.0, 5)})  # compiled once for all tests


def compute(plan: Plan) -> xr.Dataset:
    computed.append(plan)
    points = simulation(setting, {**axes, "n": [31.0, 40.0, 60.0]}, plan, 3)
    return record({"": [curves(), points]}, {"setting": setting}, plan, inferred=["n"])


def draw(data: xr.Dataset) -> Figure:
    figure, axes = panels(1, 1)
    here = data.isel(quality=0)
    points = (here.n_simulated, here.risk_simulated, here.risk_standard_error)
    line_and_points(axes[0, 0], (here.n, here.risk), points, color="k")
    return figure


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> str:
    entry = Entry("small", "a paper", "Figure 0", "a line", "no time", True, compute, draw)
    monkeypatch.setattr(module, "catalogue", lambda: [entry])
    computed.clear()
    return entry.name


def test_entries_are_complete() -> None:
    entries = catalogue()
    assert len({entry.name for entry in entries}) == len(entries) == 53
    for entry in entries:
        assert entry.paper and "\n" not in entry.shows and "quick" in entry.cost and "paper" in entry.cost
    collapse = [entry for entry in entries if "2410.04840" in entry.paper]
    assert len(collapse) == 7 and all(entry.main for entry in collapse)
    assert all(entry.name.endswith("-" + entry.figure.removeprefix("Figure ")) for entry in collapse)
    bias = [entry for entry in entries if "2410.17263" in entry.paper]
    assert len(bias) == 8 and all(entry.name.startswith("bias-amplification-") for entry in bias)
    # The numbers of the other figures of that paper are not known, and not made up.
    known = {"phase": "Figure 1", "ridge": "Figure 11", "digits": "Figure 3"}
    assert all(
        entry.figure == known.get(entry.name.removeprefix("bias-amplification-"), "number unknown")
        for entry in bias
    )
    assert {entry.name.removeprefix("bias-amplification-") for entry in bias if not entry.main} == {
        "time",
        "phase-of-ridge",
    }
    tails = {entry.name: entry for entry in entries if "2402.07043" in entry.paper}
    numbers = [3, 5, 6, *range(8, 17), *range(19, 28)]
    assert list(tails) == [*(f"tale-of-tails-{number}" for number in numbers), "tale-of-tails-arithmetic"]
    assert [entry.name for entry in tails.values() if entry.main] == list(tails)[:3]
    practice = [entry for entry in entries if entry.name.startswith(("deliberate-practice", "verification"))]
    assert [entry.name for entry in practice] == [entry.name for entry in practice_entries()]


@pytest.mark.parametrize(("names", "size", "expected"), [
    (["strong-model-collapse-6"], "quick", "strong-model-collapse-5"),
    ([], "large", "quick, paper"),
])  # fmt: skip
def test_what_is_not_there_is_refused(names: list[str], size: str, expected: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match=expected):
        draw_figures(names, size, tmp_path / "out", progress=False)
    assert not (tmp_path / "out").exists()


def test_a_figure_from_data_to_files(small: str, tmp_path: Path) -> None:
    files = draw_figures([], "quick", tmp_path / "new", progress=False)
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [
        "small.nc",
        "small.pdf",
        "small.png",
    ]
    assert {path.suffix for path in files} == {".nc", ".pdf", ".png"}
    assert (tmp_path / "new/small.pdf").read_bytes().startswith(b"%PDF")
    assert (tmp_path / "new/small.png").read_bytes().startswith(b"\x89PNG")
    data = load_dataset(tmp_path / "new/small.nc")
    assert data.attrs["size"] == "quick" and data.attrs["figure"] == "Figure 0"
    assert json.loads(data.attrs["parameters"])["setting"]["class"] == "ModelCollapse"
    assert json.loads(data.attrs["inferred"]) == ["n"] and "jax" in json.loads(data.attrs["versions"])
    assert data.risk.dims == ("quality", "n") and np.all(data.code == 0)
    # 31 rows cannot be shared in halves; the others are simulated, within their error bars of the theory.
    assert np.array_equal(np.isnan(data.risk_simulated[0]), [True, False, False])
    assert np.all(data.risk_standard_error[:, 1:] > 0)
    at = data.risk.sel(n=[40.0, 60.0]).values
    assert np.allclose(data.risk_simulated[:, 1:], at, rtol=0.3)


def test_the_same_seed_gives_the_same_data(small: str, tmp_path: Path) -> None:
    draw_figures([small], "quick", tmp_path / "a", progress=False)
    draw_figures([small], "quick", tmp_path / "b", progress=False)
    assert len(computed) == 2
    for name in ("small.pdf", "small.png"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    xr.testing.assert_identical(load_dataset(tmp_path / "a/small.nc"), load_dataset(tmp_path / "b/small.nc"))
    other = compute(Plan(seed=1))
    assert not np.array_equal(
        other.risk_simulated[:, 1:], load_dataset(tmp_path / "a/small.nc").risk_simulated[:, 1:]
    )


def test_data_that_are_there_are_drawn_again(small: str, tmp_path: Path) -> None:
    draw_figures([small], "quick", tmp_path, progress=False)
    (tmp_path / "small.png").unlink()
    draw_figures([small], "quick", tmp_path, progress=False)
    assert len(computed) == 1 and (tmp_path / "small.png").exists()
    draw_figures([small], "paper", tmp_path, progress=False)
    assert [plan.size for plan in computed] == ["quick", "paper"]
    (tmp_path / "small.nc").write_bytes(b"harmed")
    draw_figures([small], "paper", tmp_path, progress=False)
    assert len(computed) == 3 and load_dataset(tmp_path / "small.nc").attrs["size"] == "paper"


def test_an_interrupted_simulation_is_no_figures_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_short(plan: Plan) -> xr.Dataset:
        warnings.warn("interrupted: 2 of 5 replicates are finished and used", RuntimeWarning, stacklevel=1)
        return compute(plan)

    entry = Entry("small", "a paper", "Figure 0", "a line", "no time", True, cut_short, draw)
    monkeypatch.setattr(module, "catalogue", lambda: [entry])
    with pytest.raises(KeyboardInterrupt):
        draw_figures([], "quick", tmp_path, progress=False)
    assert not list(tmp_path.iterdir())


def test_other_words_are_no_reason_to_compute_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = []

    def level(plan: Plan) -> xr.Dataset:
        runs.append(plan)
        return xr.Dataset({"risk": ("n", [1.0, 2.0])})

    for shows in ("a line", "the same line"):
        entry = Entry("small", "p", "Figure 0", shows, "none", True, level, lambda data: panels(1, 1)[0])
        monkeypatch.setattr(module, "catalogue", lambda entry=entry: [entry])
        draw_figures([], "quick", tmp_path, progress=False)
        found = stored(entry, Plan(), tmp_path)
        assert found is not None and found.attrs["shows"] == shows
    assert len(runs) == 1
    assert stored(entry, Plan("paper"), tmp_path) is None and stored(entry, Plan(), tmp_path / "no") is None


def test_every_figure_has_its_words() -> None:
    words = descriptions()
    assert sorted(words) == sorted(entry.name for entry in catalogue())
    for description in words.values():
        for part in fields(description):
            text = getattr(description, part.name)
            assert part.name == "notes" or text.endswith((".", "|"))
            # Formulas are closed: what stands outside dollars has no LaTeX.
            assert "\\" not in "".join(text.split("$")[::2]), text
    papers = {entry.paper.rsplit(", arXiv ", 1)[1] for entry in catalogue()}
    assert papers == set(introductions()) and all(introductions().values())


def test_a_change_in_the_file_that_a_paper_shares_is_a_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = tmp_path / "family_paper.py"
    shared.write_text("LEVEL = 1.0")
    (tmp_path / "family_paper_one.py").write_text(
        "import xarray as xr\nruns = []\ndef compute(plan):\n    runs.append(plan)\n"
        "    return xr.Dataset({'risk': ('n', [1.0, 2.0])}, coords={'n': [1.0, 2.0]})\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    home = importlib.import_module("family_paper_one")
    entry = Entry("one", "p", "Figure 0", "a", "none", True, home.compute, lambda data: panels(1, 1)[0])
    monkeypatch.setattr(module, "catalogue", lambda: [entry])
    for text, runs in (("LEVEL = 1.0", 1), ("LEVEL = 1.0", 1), ("LEVEL = 2.0", 2)):
        shared.write_text(text)
        draw_figures([], "quick", tmp_path / "out", progress=False)
        assert len(home.runs) == runs


def test_a_place_that_cannot_be_written_is_met_first(small: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="cannot write .*file"):
        draw_figures([small], "quick", tmp_path / "file" / "out", progress=False)
    assert not computed and [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_disk_that_fills_leaves_no_half_file(
    small: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Figure, path: Path, **options: object) -> None:
        Path(path).write_bytes(b"%PDF half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Figure, "savefig", full)
    with pytest.raises(StorageError, match="No space left on device"):
        draw_figures([small], "quick", tmp_path, progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["small.nc"]


def test_progress_is_shown_on_standard_error(
    small: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw_figures([small], "quick", tmp_path, progress=True)
    shown = capsys.readouterr()
    assert shown.out == "" and "1/1" in shown.err
