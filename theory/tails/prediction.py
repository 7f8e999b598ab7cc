"""What settings of heavy tails answer: a prediction with advice that fits sums over ranks."""

from collections.abc import Mapping
from typing import ClassVar

from freeridge.solvers.results import ADVICE, Code, Prediction


class TailPrediction(Prediction):
    """A :class:`freeridge.solvers.results.Prediction` whose advice is about tails, not about ridges."""

    advice: ClassVar[Mapping[Code, str]] = ADVICE | {
        Code.INVALID: (
            "a parameter is outside its range, or NaN. The setting built from these numbers alone says "
            "which, and what would be right."
        ),
        Code.NOT_CERTIFIED: (
            "the residual, an estimate of the relative error, is too large for a number to be given. For "
            "many generations take generator_samples as one number up to 2048, or more samples than that, "
            "or fewer generations; otherwise simulate."
        ),
    }
