"""Mixing two estimators of one gradient: closed forms for known moments, and weights estimated from samples.

    closed_form   error of a mixture, the best weight, the improvement, minibatches and averaged traces, the SGD bound
    plug_in       the best weight from sampled gradients, per pair or over the data, with its standard error
    traces        the world of a reasoning policy: finite traces and answers, the marginal gradient exact
    quadratic     descent with mixed gradients on a quadratic, every error in closed form

Source: `bvpo` (arXiv 2510.05095v1).
"""
