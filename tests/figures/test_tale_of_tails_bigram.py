"""What the figures of bigrams and sequences are made of, and that each can be drawn."""

import numpy as np
import pytest
import xarray as xr

from freeridge.figures import tale_of_tails_bigram as bigram
from freeridge.figures import tale_of_tails_sequences as sequences
from freeridge.figures.record import Plan
from freeridge.figures.style import look


def test_sizes_are_whole_and_cover_the_range() -> None:
    sizes = bigram.whole_sizes(1e2, 1e6, 13)
    assert np.all(sizes == np.round(sizes)) and np.all(np.diff(sizes) > 0)
    assert sizes[0] == 1e2 and sizes[-1] == 1e6


def test_the_settings_are_those_of_the_captions() -> None:
    assert bigram.CHAINS[6][3] == {"generator_samples": 100_000, "strongest": 1_000_000, "top_p": 0.95}
    assert bigram.CHAINS[12][2:] == (9, {})  # generators of T pairs like their students
    assert bigram.CHAINS[15][3]["top_p"] == bigram.CHAINS[16][3]["temperature"] == 0.9
    assert bigram.CUT_BETA == 7 / 5 and bigram.POOLS == (10_000, 1_000, 100)
    assert sequences.WRITERS[26] == {"top_p": 0.9, "generator_samples": 10_000, "strongest": 100_000}


def test_a_chain_of_generations_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(bigram.CHAINS, 14, (1e2, 1e3, 2, {"generator_samples": 300}))
    data = bigram.chain(14, Plan())
    assert data.risk_simulated.dims == ("generation", "T_simulated") and np.all(data.code == 0)
    at = np.exp(
        np.log(data.risk).assign_coords(T=np.log(data["T"])).interp(T=np.log(data.T_simulated.values))
    )
    away = data.risk_simulated.isel(generation=0).values - at.values
    assert np.all(np.abs(away) < 4 * data.risk_standard_error.isel(generation=0).values + 1e-3)
    with look():
        figure = bigram.draw_chain(data)
    assert len(figure.axes[0].containers) == 3


def test_sequences_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequences, "VOCABULARY", 12)
    data = sequences.sequences(25, Plan())
    assert data.perplexity_simulated.shape == (5, 5)
    # With many sequences generation 0 comes near the truth, which has the least perplexity of all.
    assert float(data.best) < float(data.perplexity_simulated[0, -1]) < 1.001 * float(data.best)
    with look():
        assert len(sequences.draw_sequences(data).axes) == 2


def passes(data: xr.Dataset, name: str, curve: str, along: str) -> None:
    at = data[curve].interp({along: data[f"{along}_simulated"].values}).rename({along: f"{along}_simulated"})
    at = at.transpose(*data[name].dims)
    error = data[name.replace("simulated", "standard_error")]
    # A guard against curves and points of different problems: error bars of few replicates are rough.
    assert np.nanmax(np.abs(data[name] - at) / (4 * error + 0.03 * at)) < 1


@pytest.mark.slow
def test_theory_passes_through_the_simulation() -> None:
    with look():
        cut = bigram.tail_cut(Plan())
        assert bigram.draw_tail_cut(cut).axes
        passes(cut, "risk_simulated", "risk", "T")
        half = bigram.half_real(Plan())
        assert bigram.draw_half_real(half).axes
        last = half.isel(generation=1, T_simulated=-1)
        assert float(half.risk[-1]) < float(last.line_1_risk_simulated)
        assert float(last.line_1_risk_simulated) < float(last.line_3_risk_simulated)
        for number in bigram.CHAINS:
            data = bigram.chain(number, Plan())
            assert bigram.draw_chain(data).axes
            assert np.all(np.diff(data.risk_simulated.isel(T_simulated=-1)) > 0)
