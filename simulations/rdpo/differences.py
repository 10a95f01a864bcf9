"""Slopes and curvatures of losses from their values alone, with a bound on how far a difference may be off.

The bounds hold for log(1 + e^{-h}) plus a line, hence for DPO, its conservative and its robust form: the largest third
derivative, of σ(h)σ(−h)(σ(−h) − σ(h)), is 1/(6√3), the largest fourth one 1/8.
"""

import math

STEP = 2.0**-7  # in h
SLOPE_ERROR = STEP**2 / 6 * (1 / (6 * math.sqrt(3)))
CURVATURE_ERROR = STEP**2 / 12 * (1 / 8)


def slope(loss, margin, beta):
    """Central difference in h = βm: the slope to within SLOPE_ERROR."""
    return (loss(margin + STEP / beta) - loss(margin - STEP / beta)) / (2 * STEP)


def curvature(loss, margin, beta):
    """Second difference in h = βm: the curvature to within CURVATURE_ERROR."""
    return (loss(margin + STEP / beta) - 2.0 * loss(margin) + loss(margin - STEP / beta)) / STEP**2
