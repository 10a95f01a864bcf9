"""The estimator lab: claims of papers on preference optimisation, checked where the truth is known."""

__version__ = "0.1.0"
