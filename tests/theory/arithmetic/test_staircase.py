"""The small size at work: divisors are learned in steps. Minutes of training."""

from pathlib import Path

import numpy as np
import pytest

from freeridge.theory.arithmetic.experiment import GCDExperiment
from freeridge.theory.arithmetic.record import first_learned, learned_sets
from freeridge.theory.arithmetic.skills import products, readable


@pytest.mark.slow
def test_the_small_size_climbs_the_staircase_and_comes_down_again(tmp_path: Path) -> None:
    data = GCDExperiment("small", shares=()).run(tmp_path / "gcd", key=0)
    first, sets = first_learned(data, "clean"), learned_sets(data, "clean")
    teacher = sets[data.attrs["generator_examples"] // 32_000 - 1]
    # The last digit, then the last two, then a prime that only all digits tell.
    assert max(first[k] for k in (2, 5, 10)) < first[20] < first[3]
    assert set(products({2: [2, 4], 5: [5]}, 100)) <= set(teacher) <= set(readable(10, 100))
    assert {3, 6, 15, 30} <= set(sets[-1]) and len(sets[-1]) > len(teacher)
    assert float(data["follows_rule"].sel(run="clean").mean()) > 0.9
    # On the teacher's labels the network forgets what the teacher never knew.
    assert not {3, 6, 12, 15, 30} & set(learned_sets(data, "unlearning")[-1])
    drawn = data["generator_histogram"].values[1:]
    assert np.all(drawn[[2, 5, 6, 8, 10]] < 0.01 * data["law"].values[1:][[2, 5, 6, 8, 10]])
