"""Memorisation-aware training: twins, the calibrated shift, the trainer and the estimator."""
