"""Mixing two estimators of one gradient: closed forms for known moments, and weights estimated from samples.

    closed_form   error of a mixture, the best weight, the improvement, minibatches and averaged traces, the SGD bound
    plug_in       the best weight from sampled gradients, per pair or over the data, with its standard error

Source: `bvpo` (arXiv 2510.05095v1).
"""

from lab.mixing.closed_form import (
    Improvement,
    Moments,
    averaged,
    batched,
    bias,
    covariance,
    error_matrix,
    improvement,
    mean_squared_error,
    mixed,
    optimal_weight,
    sgd_bound,
    step_error,
    unclipped_weight,
    variance,
)
from lab.mixing.plug_in import PlugIn, sample_moments, weight_over_data, weight_per_pair

__all__ = [
    "Improvement",
    "Moments",
    "PlugIn",
    "averaged",
    "batched",
    "bias",
    "covariance",
    "error_matrix",
    "improvement",
    "mean_squared_error",
    "mixed",
    "optimal_weight",
    "sample_moments",
    "sgd_bound",
    "step_error",
    "unclipped_weight",
    "variance",
    "weight_over_data",
    "weight_per_pair",
]
