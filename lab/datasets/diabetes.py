"""Progression of diabetes in 442 patients: 10 baseline measurements and the disease one year on (Efron et al. 2004).

Read from the files inside the installed scikit-learn, never copied and without importing it.
"""

from dataclasses import dataclass

import numpy as np

from lab.datasets.source import Source

_INSTALL = "pip install 'scikit-learn>=1.6'"
_LICENCE = "BSD-3-Clause (scikit-learn); data of Efron, Hastie, Johnstone and Tibshirani (2004), used in place"

FEATURES = Source(
    name="diabetes, measurements",
    package="sklearn",
    path="datasets/data/diabetes_data_raw.csv.gz",
    install=_INSTALL,
    licence=_LICENCE,
)
TARGET = Source(
    name="diabetes, progression",
    package="sklearn",
    path="datasets/data/diabetes_target.csv.gz",
    install=_INSTALL,
    licence=_LICENCE,
)


@dataclass(frozen=True)
class Diabetes:
    """Measurements in their standard deviations around their means, and the progression likewise."""

    features: np.ndarray  # (442, 10): age, sex, body mass index, blood pressure, six blood serum measurements
    target: np.ndarray  # (442,)


def diabetes() -> Diabetes:
    """The data, standardised. Raises DataMissing when scikit-learn is not installed."""
    features = np.loadtxt(FEATURES.require())
    target = np.loadtxt(TARGET.require())
    return Diabetes(_standardised(features), _standardised(target))


def _standardised(x: np.ndarray) -> np.ndarray:
    return (x - np.mean(x, axis=0)) / np.std(x, axis=0)
