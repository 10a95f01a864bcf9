"""Fitting log-linear preference models to noisy pairs: estimates, their covariance, bounds, existence, flip rates
from votes."""
