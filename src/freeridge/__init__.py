"""Exact high-dimensional learning theory of ridge regression.

One object describes a learning problem; the same object is predicted (theory), simulated (Monte Carlo),
compared, swept and drawn.

The names below are loaded when they are first used, so that ``import freeridge`` costs nothing and leaves
JAX unconfigured: ``jax.config.update("jax_enable_x64", True)`` may come after it.

Examples
--------
>>> import freeridge as fr
>>> fr.__version__.count(".")
2
>>> "ModelCollapse" in dir(fr)
True
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from freeridge.solvers.agreement import Agreement as Agreement
    from freeridge.solvers.agreement import validate as validate
    from freeridge.solvers.errors import InvalidSetting as InvalidSetting
    from freeridge.solvers.pencils.densities.density import spectral_density as spectral_density
    from freeridge.solvers.pencils.derive import derive as derive
    from freeridge.solvers.pencils.from_sympy import pencil as pencil
    from freeridge.solvers.pencils.symbols import deterministic as deterministic
    from freeridge.solvers.pencils.symbols import dims as dims
    from freeridge.solvers.pencils.symbols import gaussian as gaussian
    from freeridge.solvers.pencils.symbols import identity as identity
    from freeridge.solvers.pencils.symbols import scalar as scalar
    from freeridge.solvers.pencils.symbols import sqrt as sqrt
    from freeridge.solvers.pencils.symbols import vector as vector
    from freeridge.solvers.pencils.traces import normalized_trace as normalized_trace
    from freeridge.solvers.pencils.traces import quadratic_form as quadratic_form
    from freeridge.solvers.pencils.traces import trace as trace
    from freeridge.solvers.results import Estimate as Estimate
    from freeridge.solvers.results import Prediction as Prediction
    from freeridge.solvers.sweeps import sweep as sweep
    from freeridge.solvers.workers import on_workers as on_workers
    from freeridge.theory.arithmetic.experiment import GCDExperiment as GCDExperiment
    from freeridge.theory.bias import BiasAmplification as BiasAmplification
    from freeridge.theory.bias_boundary import amplification_boundary as amplification_boundary
    from freeridge.theory.collapse import ModelCollapse as ModelCollapse
    from freeridge.theory.colored_digits import colored_digits as colored_digits
    from freeridge.theory.colored_mnist import colored_mnist as colored_mnist
    from freeridge.theory.covariance import Dense as Dense
    from freeridge.theory.covariance import Eigenvalues as Eigenvalues
    from freeridge.theory.covariance import Isotropic as Isotropic
    from freeridge.theory.covariance import PowerLaw as PowerLaw
    from freeridge.theory.covariance import TwoAtoms as TwoAtoms
    from freeridge.theory.covariance import from_data as from_data
    from freeridge.theory.covariance_algebra import DirectSum as DirectSum
    from freeridge.theory.generations import IterativeMixing as IterativeMixing
    from freeridge.theory.gradient_flow import GradientFlow as GradientFlow
    from freeridge.theory.labeler import RandomVector as RandomVector
    from freeridge.theory.memorization.experiments.good_bad_ugly import FunctionFit as FunctionFit
    from freeridge.theory.memorization.experiments.influence import InfluenceExperiment as InfluenceExperiment
    from freeridge.theory.memorization.experiments.interpretable import (
        InterpretableExperiment as InterpretableExperiment,
    )
    from freeridge.theory.memorization.experiments.published_twins import published_twins as published_twins
    from freeridge.theory.memorization.row_laws import row_laws as row_laws
    from freeridge.theory.memorization.spurious_logistic import SpuriousLogistic as SpuriousLogistic
    from freeridge.theory.memorization.spurious_ridge import SpuriousRidge as SpuriousRidge
    from freeridge.theory.memorization.subpopulations.data import SubpopulationData as SubpopulationData
    from freeridge.theory.memorization.subpopulations.digits import spurious_digits as spurious_digits
    from freeridge.theory.memorization.subpopulations.experiment import (
        SubpopulationBenchmark as SubpopulationBenchmark,
    )
    from freeridge.theory.memorization.subpopulations.files import load_celeba as load_celeba
    from freeridge.theory.memorization.subpopulations.files import load_civilcomments as load_civilcomments
    from freeridge.theory.memorization.subpopulations.files import load_multinli as load_multinli
    from freeridge.theory.memorization.subpopulations.files import load_subpopulations as load_subpopulations
    from freeridge.theory.memorization.subpopulations.files import load_waterbirds as load_waterbirds
    from freeridge.theory.memorization.training.estimator import (
        MemorizationAwareTraining as MemorizationAwareTraining,
    )
    from freeridge.theory.memorization.training.shift import calibrated_shift as calibrated_shift
    from freeridge.theory.memorization.training.twins import train_twins as train_twins
    from freeridge.theory.memorization.twins.twin_logistic import TwinLogistic as TwinLogistic
    from freeridge.theory.minority import MinorityGroups as MinorityGroups
    from freeridge.theory.mixture import RidgeMixture as RidgeMixture
    from freeridge.theory.population import Population as Population
    from freeridge.theory.practice.experiment import PracticeExperiment as PracticeExperiment
    from freeridge.theory.practice.generator import Guidance as Guidance
    from freeridge.theory.practice.generators.diffusion_model import DiffusionGenerator as DiffusionGenerator
    from freeridge.theory.practice.generators.gaussian_mixture import GaussianMixture as GaussianMixture
    from freeridge.theory.practice.generators.importance import guided_test as guided_test
    from freeridge.theory.practice.generators.importance import importance_sample as importance_sample
    from freeridge.theory.practice.generators.langevin import Langevin as Langevin
    from freeridge.theory.practice.generators.reverse_diffusion import ReverseDiffusion as ReverseDiffusion
    from freeridge.theory.practice.loop import DeliberatePractice as DeliberatePractice
    from freeridge.theory.pruning.boundary import curation_boundary as curation_boundary
    from freeridge.theory.pruning.boundary import curation_crossings as curation_crossings
    from freeridge.theory.pruning.label_rules import KeepCorrect as KeepCorrect
    from freeridge.theory.pruning.label_rules import KeepIf as KeepIf
    from freeridge.theory.pruning.label_rules import KeepMixture as KeepMixture
    from freeridge.theory.pruning.label_rules import KeepSoft as KeepSoft
    from freeridge.theory.pruning.optimum import best_fraction as best_fraction
    from freeridge.theory.pruning.optimum import best_rule as best_rule
    from freeridge.theory.pruning.phases import curation_phases as curation_phases
    from freeridge.theory.pruning.pruned_classifier import PrunedClassifier as PrunedClassifier
    from freeridge.theory.pruning.rules import KeepEasy as KeepEasy
    from freeridge.theory.pruning.rules import KeepHard as KeepHard
    from freeridge.theory.pruning.rules import KeepRandom as KeepRandom
    from freeridge.theory.pruning.rules import KeepRule as KeepRule
    from freeridge.theory.pruning.rules import KeepTable as KeepTable
    from freeridge.theory.pruning.scaling import curation_curve as curation_curve
    from freeridge.theory.pruning.verification.label_errors import LinearErrors as LinearErrors
    from freeridge.theory.pruning.verification.label_errors import RandomErrors as RandomErrors
    from freeridge.theory.pruning.verification.rates import breakdown_band as breakdown_band
    from freeridge.theory.pruning.verification.rates import breakdown_point as breakdown_point
    from freeridge.theory.pruning.verification.rates import rates_of_similarity as rates_of_similarity
    from freeridge.theory.pruning.verification.retrained_logistic import (
        RetrainedLogistic as RetrainedLogistic,
    )
    from freeridge.theory.pruning.verification.verified_logistic import VerifiedLogistic as VerifiedLogistic
    from freeridge.theory.ratios import AtRatios as AtRatios
    from freeridge.theory.real_comparison import compare_groups as compare_groups
    from freeridge.theory.real_features import groups_from_data as groups_from_data
    from freeridge.theory.real_training import measure_group_risks as measure_group_risks
    from freeridge.theory.tails.bigrams.bigram_tail import BigramTail as BigramTail
    from freeridge.theory.tails.bigrams.generations import BigramGenerations as BigramGenerations
    from freeridge.theory.tails.bigrams.sequences import BigramSequences as BigramSequences
    from freeridge.theory.tails.curves.comparison import CurveComparison as CurveComparison
    from freeridge.theory.tails.curves.comparison import fit_curve as fit_curve
    from freeridge.theory.tails.curves.curve_fit import CurveFit as CurveFit
    from freeridge.theory.tails.curves.loss_curve import read_curve as read_curve
    from freeridge.theory.tails.memory.associative_memory import AssociativeMemory as AssociativeMemory
    from freeridge.theory.tails.memory.associative_memory import TripletLaw as TripletLaw
    from freeridge.theory.tails.scaling_law import scaling_law as scaling_law
    from freeridge.theory.tails.zipf_tail import ZipfTail as ZipfTail

__version__ = "0.1.0"

# The public names and the module each one is loaded from (PEP 562). The imports above say the same to type
# checkers, which cannot follow a computed import; a test holds the two together.
_HOME = {
    "Agreement": "freeridge.solvers.agreement",
    "AssociativeMemory": "freeridge.theory.tails.memory.associative_memory",
    "AtRatios": "freeridge.theory.ratios",
    "BiasAmplification": "freeridge.theory.bias",
    "BigramGenerations": "freeridge.theory.tails.bigrams.generations",
    "BigramSequences": "freeridge.theory.tails.bigrams.sequences",
    "BigramTail": "freeridge.theory.tails.bigrams.bigram_tail",
    "CurveComparison": "freeridge.theory.tails.curves.comparison",
    "CurveFit": "freeridge.theory.tails.curves.curve_fit",
    "DeliberatePractice": "freeridge.theory.practice.loop",
    "Dense": "freeridge.theory.covariance",
    "DiffusionGenerator": "freeridge.theory.practice.generators.diffusion_model",
    "DirectSum": "freeridge.theory.covariance_algebra",
    "Eigenvalues": "freeridge.theory.covariance",
    "Estimate": "freeridge.solvers.results",
    "FunctionFit": "freeridge.theory.memorization.experiments.good_bad_ugly",
    "GCDExperiment": "freeridge.theory.arithmetic.experiment",
    "GaussianMixture": "freeridge.theory.practice.generators.gaussian_mixture",
    "GradientFlow": "freeridge.theory.gradient_flow",
    "Guidance": "freeridge.theory.practice.generator",
    "InfluenceExperiment": "freeridge.theory.memorization.experiments.influence",
    "InterpretableExperiment": "freeridge.theory.memorization.experiments.interpretable",
    "InvalidSetting": "freeridge.solvers.errors",
    "Isotropic": "freeridge.theory.covariance",
    "IterativeMixing": "freeridge.theory.generations",
    "KeepCorrect": "freeridge.theory.pruning.label_rules",
    "KeepEasy": "freeridge.theory.pruning.rules",
    "KeepHard": "freeridge.theory.pruning.rules",
    "KeepIf": "freeridge.theory.pruning.label_rules",
    "KeepMixture": "freeridge.theory.pruning.label_rules",
    "KeepRandom": "freeridge.theory.pruning.rules",
    "KeepRule": "freeridge.theory.pruning.rules",
    "KeepSoft": "freeridge.theory.pruning.label_rules",
    "KeepTable": "freeridge.theory.pruning.rules",
    "Langevin": "freeridge.theory.practice.generators.langevin",
    "LinearErrors": "freeridge.theory.pruning.verification.label_errors",
    "MemorizationAwareTraining": "freeridge.theory.memorization.training.estimator",
    "MinorityGroups": "freeridge.theory.minority",
    "ModelCollapse": "freeridge.theory.collapse",
    "Population": "freeridge.theory.population",
    "PowerLaw": "freeridge.theory.covariance",
    "PracticeExperiment": "freeridge.theory.practice.experiment",
    "Prediction": "freeridge.solvers.results",
    "PrunedClassifier": "freeridge.theory.pruning.pruned_classifier",
    "RandomErrors": "freeridge.theory.pruning.verification.label_errors",
    "RandomVector": "freeridge.theory.labeler",
    "RetrainedLogistic": "freeridge.theory.pruning.verification.retrained_logistic",
    "ReverseDiffusion": "freeridge.theory.practice.generators.reverse_diffusion",
    "RidgeMixture": "freeridge.theory.mixture",
    "SpuriousLogistic": "freeridge.theory.memorization.spurious_logistic",
    "SpuriousRidge": "freeridge.theory.memorization.spurious_ridge",
    "SubpopulationBenchmark": "freeridge.theory.memorization.subpopulations.experiment",
    "SubpopulationData": "freeridge.theory.memorization.subpopulations.data",
    "TripletLaw": "freeridge.theory.tails.memory.associative_memory",
    "TwinLogistic": "freeridge.theory.memorization.twins.twin_logistic",
    "TwoAtoms": "freeridge.theory.covariance",
    "VerifiedLogistic": "freeridge.theory.pruning.verification.verified_logistic",
    "ZipfTail": "freeridge.theory.tails.zipf_tail",
    "amplification_boundary": "freeridge.theory.bias_boundary",
    "best_fraction": "freeridge.theory.pruning.optimum",
    "best_rule": "freeridge.theory.pruning.optimum",
    "breakdown_band": "freeridge.theory.pruning.verification.rates",
    "breakdown_point": "freeridge.theory.pruning.verification.rates",
    "calibrated_shift": "freeridge.theory.memorization.training.shift",
    "colored_digits": "freeridge.theory.colored_digits",
    "colored_mnist": "freeridge.theory.colored_mnist",
    "compare_groups": "freeridge.theory.real_comparison",
    "curation_boundary": "freeridge.theory.pruning.boundary",
    "curation_crossings": "freeridge.theory.pruning.boundary",
    "curation_curve": "freeridge.theory.pruning.scaling",
    "curation_phases": "freeridge.theory.pruning.phases",
    "derive": "freeridge.solvers.pencils.derive",
    "deterministic": "freeridge.solvers.pencils.symbols",
    "dims": "freeridge.solvers.pencils.symbols",
    "fit_curve": "freeridge.theory.tails.curves.comparison",
    "from_data": "freeridge.theory.covariance",
    "gaussian": "freeridge.solvers.pencils.symbols",
    "groups_from_data": "freeridge.theory.real_features",
    "guided_test": "freeridge.theory.practice.generators.importance",
    "identity": "freeridge.solvers.pencils.symbols",
    "importance_sample": "freeridge.theory.practice.generators.importance",
    "load_celeba": "freeridge.theory.memorization.subpopulations.files",
    "load_civilcomments": "freeridge.theory.memorization.subpopulations.files",
    "load_multinli": "freeridge.theory.memorization.subpopulations.files",
    "load_subpopulations": "freeridge.theory.memorization.subpopulations.files",
    "load_waterbirds": "freeridge.theory.memorization.subpopulations.files",
    "measure_group_risks": "freeridge.theory.real_training",
    "normalized_trace": "freeridge.solvers.pencils.traces",
    "on_workers": "freeridge.solvers.workers",
    "pencil": "freeridge.solvers.pencils.from_sympy",
    "published_twins": "freeridge.theory.memorization.experiments.published_twins",
    "quadratic_form": "freeridge.solvers.pencils.traces",
    "rates_of_similarity": "freeridge.theory.pruning.verification.rates",
    "read_curve": "freeridge.theory.tails.curves.loss_curve",
    "row_laws": "freeridge.theory.memorization.row_laws",
    "scalar": "freeridge.solvers.pencils.symbols",
    "scaling_law": "freeridge.theory.tails.scaling_law",
    "spectral_density": "freeridge.solvers.pencils.densities.density",
    "spurious_digits": "freeridge.theory.memorization.subpopulations.digits",
    "sqrt": "freeridge.solvers.pencils.symbols",
    "sweep": "freeridge.solvers.sweeps",
    "trace": "freeridge.solvers.pencils.traces",
    "train_twins": "freeridge.theory.memorization.training.twins",
    "validate": "freeridge.solvers.agreement",
    "vector": "freeridge.solvers.pencils.symbols",
}

__all__ = sorted([*_HOME, "__version__"])


def __getattr__(name: str) -> object:
    home = _HOME.get(name) or (None if name.startswith("_") else _settings().get(name))
    if home is None:
        raise AttributeError(f"module 'freeridge' has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value  # the next look-up does not come here again
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME, *_settings()})


def _settings() -> dict[str, str]:
    """Settings by their files: one that was added a minute ago has a name here without a line above."""
    from freeridge.settings import settings

    return settings()
