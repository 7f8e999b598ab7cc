"""Bad input at the door: the message names the field, the value, and what would be right.

The cases run as a user would run them, in one fresh interpreter without the run-time type checks of this
test suite, which would answer some of them first.
"""

import json
import subprocess
import sys
from functools import cache
from typing import Any

import pytest

PRELUDE = """
import jax
jax.config.update("jax_enable_x64", True)
import jax.numpy as jnp, numpy as np, freeridge as fr
d = 4
I = fr.Isotropic(d)
truth = fr.RandomVector(fr.Isotropic(d, 0.25))
def pop(share=1.0, covariance=I, labeler=truth, noise=0.1, weight=1.0):
    return fr.Population(covariance, labeler, noise, share, weight)
def mix(populations=None, n=8, ridge=0.1, features=None):
    return fr.RidgeMixture([pop()] if populations is None else populations, n, ridge, features)
nan, inf = float("nan"), float("inf")
"""

# expression: field, how the value is shown, what would be right
CASES: dict[str, tuple[str, str, str]] = {
    # tails and networks
    "fr.ZipfTail(1.0, 10)": ("beta", "1.0", "above 1"),
    "fr.ZipfTail(1.5, 'many')": ("T", "'many'", "real number"),
    "fr.ZipfTail(1.5, [1, 2])": ("T", "[1, 2]", "one number"),
    "fr.ZipfTail(1.5, 10, k='none')": ("k", "'none'", "real number"),
    "fr.ZipfTail(1.5, 10, generator_samples=5, generations=1.5)": ("generations", "1.5", "whole number"),
    "fr.GCDExperiment(base=2.5)": ("base", "2.5", ""),
    "fr.GCDExperiment(width='wide')": ("width", "'wide'", ""),
    "fr.GCDExperiment(rate='fast')": ("rate", "'fast'", ""),
    # spurious features
    "fr.SpuriousLogistic(1, 0.1, 0.9, 2, 1, training='fair')": ("training", "'fair'", "memorisation-aware"),
    "fr.SpuriousLogistic(1, 0.1, 0.9, 2, 1, shift=(-inf, 0))": ("shift", "-inf", "a shift of -13.8"),
    "fr.SpuriousLogistic(1, 0.1, 0.9, 2, 1, shift=(0, 0, 0))": ("shift", "[0. 0. 0.]", "two logit shifts"),
    "fr.SpuriousLogistic(1, -0.1, 0.9, 2, 1)": ("penalty", "-0.1", ">= 0"),
    "fr.SpuriousLogistic(1, 0.1, 1, 2, 1, training='balanced')": ("majority", "1.0", "nothing to balanced"),
    "fr.SpuriousLogistic(1, 0.1, 0.9, 2, 1, n=2.5)": ("n", "2.5", "positive whole number"),
    "fr.SpuriousLogistic(1, 0.1, 0.9, 2, 1, n=5).simulate(0)": ("n", "5", "one row of each group"),
    # sizes and ridge
    "mix(ridge=-0.1)": ("ridge", "-0.1", ">= 0"),
    "mix(ridge=nan)": ("ridge", "nan", ">= 0"),
    "mix(ridge=inf)": ("ridge", "inf", "finite"),
    "mix(ridge=[0.1, -1.0])": ("ridge", "[0.1 -1. ]", ">= 0"),
    "mix(ridge=[[0.1]])": ("ridge", "[[0.1]]", "a list of numbers"),
    "mix(ridge=[])": ("ridge", "[]", "not empty"),
    "mix(ridge='small')": ("ridge", "'small'", "real number"),
    "mix(ridge=None)": ("ridge", "None", "real number"),
    "mix(ridge=np.float32(0.1))": ("ridge", "0.1", "float64"),
    "mix(ridge=1j)": ("ridge", "1j", "real number"),
    "mix(n=0)": ("n", "0", "> 0"),
    "mix(n=-3)": ("n", "-3", "> 0"),
    "mix(n=nan)": ("n", "nan", "> 0"),
    "mix(n=[8, 9])": ("n", "[8, 9]", "one number"),
    "mix(features=0)": ("features", "0", "> 0"),
    "mix(features=-1)": ("features", "-1", "> 0"),
    "mix(features=inf)": ("features", "inf", "None for plain ridge"),
    "mix(features=[8, 9])": ("features", "[8, 9]", "one number"),
    # shares
    "mix([pop(0.5), pop(0.4)])": ("share", "[0.5, 0.4]", "a sum of one, not 0.9"),
    "mix([pop(0.5)])": ("share", "[0.5]", "a sum of one, not 0.5"),
    "pop(share=-0.1)": ("share", "-0.1", "between 0 and 1"),
    "pop(share=1.1)": ("share", "1.1", "between 0 and 1"),
    "pop(share=nan)": ("share", "nan", "between 0 and 1"),
    "pop(share=[0.5, 0.5])": ("share", "[0.5, 0.5]", "one number"),
    # populations
    "mix([])": ("populations", "", "at least one Population"),
    "mix(pop())": ("populations", "Population", "Population"),
    "mix([I])": ("populations", "Isotropic", "Population"),
    "mix([pop(0.5), pop(0.5, fr.Isotropic(5), np.ones(5))])": ("populations", "[4, 5]", "one dimension"),
    "pop(noise=-1)": ("noise_variance", "-1", ">= 0"),
    "pop(noise=nan)": ("noise_variance", "nan", ">= 0"),
    "pop(noise=[0.1, 0.2])": ("noise_variance", "[0.1, 0.2]", "one number"),
    "pop(weight=-1)": ("weight", "-1", ">= 0"),
    "pop(weight=[1, 2])": ("weight", "[1, 2]", "one number"),
    "pop(covariance=np.eye(4))": ("covariance", "array (shape (4, 4), float64)", "Isotropic(d)"),
    # labelers
    "pop(labeler=np.ones(5))": ("labeler", "[1. 1. 1. 1. 1.]", "length 4"),
    "pop(labeler=fr.RandomVector(fr.Isotropic(5)))": ("labeler", "RandomVector", "length 4"),
    "pop(labeler=np.ones((4, 1)))": ("labeler", "(shape (4, 1), float64)", "a vector"),
    "pop(labeler=[1, nan, 0, 0])": ("labeler", "nan", "finite"),
    "pop(labeler=None)": ("labeler", "None", ""),
    "pop(labeler=np.ones(4, np.float32))": ("labeler", "float32", "float64"),
    "fr.RandomVector(np.eye(4))": ("covariance", "array (shape (4, 4), float64)", "Isotropic(d"),
    # covariances
    "fr.Isotropic(0)": ("d", "0", "positive whole number"),
    "fr.Isotropic(2.5)": ("d", "2.5", "positive whole number"),
    "fr.Isotropic(d, -1)": ("scale", "-1", ">= 0"),
    "fr.Isotropic(d, [1, 2])": ("scale", "[1, 2]", "one number"),
    "fr.TwoAtoms(d, (1, 2, 3), 0.5)": ("values", "[1. 2. 3.]", "two"),
    "fr.TwoAtoms(d, 1, 0.5)": ("values", "1", "two"),
    "fr.TwoAtoms(d, (1, -2), 0.5)": ("values", "[1. -2.]", ">= 0"),
    "fr.TwoAtoms(d, (1, 2), 1.5)": ("fraction", "1.5", "between 0 and 1"),
    "fr.PowerLaw(d, nan)": ("exponent", "nan", "finite"),
    "fr.PowerLaw(d, [1, 2])": ("exponent", "[1, 2]", "one number"),
    "fr.PowerLaw(d, 1, trace=0)": ("trace", "0", "> 0"),
    "fr.PowerLaw('4', 1)": ("d", "'4'", "positive whole number"),
    "fr.Eigenvalues([1, -1])": ("values", "[1. -1.]", ">= 0"),
    "fr.Eigenvalues([])": ("values", "[]", "at least one"),
    "fr.Eigenvalues([[1, 2]])": ("values", "[[1. 2.]]", "a list"),
    "fr.Eigenvalues([1, 2], [1])": ("multiplicities", "[1]", "2 in all"),
    "fr.Eigenvalues([1, 2], [1, 0])": ("multiplicities", "[1. 0.]", "> 0"),
    "fr.Eigenvalues([1, 2], [1, 0.5])": ("multiplicities", "[1, 0.5]", "whole number"),
    "fr.Eigenvalues([1, 2], ['a', 'b'])": ("multiplicities", "['a', 'b']", ""),
    "fr.Dense([[1, 2], [2, 1]])": ("matrix", "[[1. 2.] [2. 1.]]", "smallest eigenvalue is -1"),
    "fr.Dense([[1, 2], [0, 1]])": ("matrix", "[[1. 2.] [0. 1.]]", "symmetric"),
    "fr.Dense([[1, 2, 3]])": ("matrix", "[[1. 2. 3.]]", "square"),
    "fr.Dense([1, 2])": ("matrix", "[1. 2.]", "square"),
    "fr.Dense([[1, nan], [nan, 1]])": ("matrix", "nan", "finite"),
    "fr.Dense(np.eye(2, dtype=np.float32))": ("matrix", "float32", "float64"),
    "fr.from_data([[1, 2]])": ("rows", "[[1, 2]]", "at least two rows"),
    "fr.from_data([1, 2, 3])": ("rows", "[1, 2, 3]", "one example per row"),
    "fr.from_data([[1, 2], [nan, 3]])": ("rows", "nan", "finite"),
    # what is asked of a setting
    "mix().predict(1)": ("test", "1", "from 0 to 0"),
    "mix().predict(-1)": ("test", "-1", "from 0 to 0"),
    "mix().predict(True)": ("test", "True", "index"),
    "mix().predict('first')": ("test", "'first'", "Population"),
    "mix().predict(pop(0, fr.Isotropic(5), np.ones(5)))": ("test", "5", "dimension 4"),
    "mix(n=8.5).simulate(0)": ("n", "8.5", "whole number"),
    "mix([pop(0.3), pop(0.7)]).simulate(0)": ("share * n", "2.4", "whole number"),
    "mix(features=2.5).simulate(0)": ("features", "2.5", "whole number"),
    "mix().simulate(0, 1)": ("replicates", "1", ">= 2"),
    "mix().simulate(0, precision='float16')": ("precision", "'float16'", "float32"),
    "mix().simulate('seed')": ("key", "'seed'", ""),
    "mix([pop(1.0, fr.TwoAtoms(4, (1, 2), 0.3))]).simulate(0)": ("fraction * d", "1.2", "whole number"),
}

PROGRAM = """
import json, sys
answers = {}
for case in json.load(sys.stdin):
    try:
        eval(case)
        answers[case] = ("accepted", None, "")
    except Exception as error:
        answers[case] = (type(error).__name__, getattr(error, "field", None), str(error))
print(json.dumps(answers))
"""


@cache
def answers() -> dict[str, Any]:
    program = [sys.executable, "-c", PRELUDE + PROGRAM]
    done = subprocess.run(program, input=json.dumps(list(CASES)), capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("case", CASES)
def test_message_names_field_value_and_remedy(case: str) -> None:
    field, value, expected = CASES[case]
    kind, named, message = answers()[case]
    assert kind == "InvalidSetting", f"{kind}: {message}"
    assert named == field
    shown, _, remedy = message.partition(": expected ")
    assert shown.startswith(f"{field} = ") and value in shown, message
    assert remedy and expected in remedy, message
    assert "\n" not in message


def test_single_precision_is_refused_with_the_line_to_run() -> None:
    program = (
        "import jax; jax.config.update('jax_enable_x64', False); import freeridge as fr; fr.Isotropic(3)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 1
    assert 'run jax.config.update("jax_enable_x64", True) first' in done.stderr.splitlines()[-1]


def test_unknown_quantities_name_the_known_ones() -> None:
    import freeridge as fr

    truth = fr.RandomVector(fr.Isotropic(4, 0.25))
    prediction = fr.RidgeMixture([fr.Population(fr.Isotropic(4), truth, 0.1, 1.0)], 8, 0.1).predict()
    with pytest.raises(AttributeError, match="no quantity 'collapse'; it has .*risk"):
        _ = prediction.collapse
