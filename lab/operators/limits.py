"""Steps beyond what theory covers: allowed, as the authors themselves take them, but never silently."""

import warnings

from lab.arrays import check_positive


class StepSizeWarning(UserWarning):
    """A step size is longer than the theory of its method covers; the message names the limit."""


def check_step_size(step_size: float, limit: float | None) -> None:
    """Warn (StepSizeWarning) when the step is longer than the limit. Raises ValueError unless it is positive."""
    check_positive(step_size=step_size)
    if limit is not None and step_size > limit * (1 + 1e-12):
        warnings.warn(
            f"step_size = {step_size:.6g} is {step_size / limit:.3g} times the limit {limit:.6g} that theory covers: "
            "the method may diverge",
            StepSizeWarning,
            stacklevel=3,
        )
