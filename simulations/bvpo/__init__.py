"""Evidence for BVPO, "From Noisy Traces to Stable Gradients" (arXiv 2510.05095v1): mixing two gradient estimators.

variance      what Theorem 1 says and leaves open; where the noise comes from; when the trace gradient is biased
weight        the optimal weight, the improvement, equal weights; pairs of its own for the empty-trace gradient
descent       SGD with the mixed gradient, and small steps
averaging     the baselines that the paper lacks: several traces instead of a mixture, and gradients with less noise
estimation    the weight estimated from samples
trajectory    weights that are best at every step and weights that are best for the run
"""
