"""Sizes of the GCD experiment: a few steps, a staircase within minutes on one core, and the paper's."""

from typing import Any

# Examples are counted as the paper does: pairs seen in training, drawn anew at every step.
PRESETS: dict[str, dict[str, Any]] = {
    "quick": {
        "base": 6,
        "largest": 215,
        "labels": 20,
        "width": 16,
        "layers": 1,
        "heads": 2,
        "hidden": 32,
        "batch": 64,
        "rate": 3e-3,
        "warmup": 10,
        "examples": 12_800,
        "generator": 6_400,
        "every": 3_200,
        "shares": (0.0, 0.5),
        "each": 20,
    },
    "small": {
        "base": 10,
        "largest": 999,
        "labels": 100,
        "width": 64,
        "layers": 1,
        "heads": 4,
        "hidden": 256,
        "batch": 128,
        "rate": 1e-3,
        "warmup": 200,
        "examples": 1_536_000,
        "generator": 512_000,
        "every": 32_000,
        "shares": (0.0, 0.91, 0.73),
        "each": 50,
    },
    # Batch, rate and warm-up are not in the paper; those here are usual for networks of this size.
    "paper": {
        "base": 2023,
        "largest": 10**6,
        "labels": 100,
        "width": 512,
        "layers": 4,
        "heads": 8,
        "hidden": 2048,
        "batch": 256,
        "rate": 1e-5,
        "warmup": 1000,
        "examples": 3_000_320_000,
        "generator": 299_520_000,
        "every": 2_560_000,
        "shares": (0.0, 0.91, 0.73, 0.5, 0.27),
        "each": 100,
    },
}
