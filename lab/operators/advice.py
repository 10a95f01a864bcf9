r"""What to expect on one's own components: constants, checks, and from how many components variance reduction pays.

    found = examine(matrices, offsets)      # (n, dim, dim) and (n, dim): F_i(u) = M_i u + c_i
    found.lipschitz, found.average_lipschitz, found.cocoercivity
    predicted_evaluations(found, components=10**6, distance=1.0, accuracy=1e-3)
    break_even(found, distance=1.0, accuracy=1e-3)

Source: `vr-halpern` (arXiv 2310.02987v2), C1–C3; constants derived. Checked by `vr-halpern/average-constants` and
`vr-halpern/break-even-advice`.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from lab.arrays import check_between, check_finite, check_positive
from lab.operators import finite_sums
from lab.operators.resolvent_moments import inner_parameters
from lab.operators.schedules import INNER_FACTOR, iteration_cost, step_size_limit

LARGEST = 10**9  # components beyond which no break-even is looked for


@dataclass(frozen=True)
class Examination:
    """Constants of a finite sum of linear operators; `cocoercivity` is infinite when there is none."""

    components: int
    lowest_eigenvalue: float  # of the mean's symmetric part
    lipschitz: float  # L_F, of F itself
    average_lipschitz: float
    cocoercivity: float
    sharpness: float

    @property
    def cocoercive(self) -> bool:
        return bool(np.isfinite(self.cocoercivity))

    @property
    def method(self) -> str:
        """The paper's method for this class of operators."""
        return "Algorithm 1" if self.cocoercive else "Algorithm 2"

    @property
    def step_size(self) -> float:
        r"""The longest step that theory covers: $\frac{1}{4L}$, or the resolvent's $\sqrt n/L$ of Algorithm 2."""
        if self.cocoercive:
            return float(step_size_limit(self.cocoercivity)) if self.cocoercivity else float("inf")
        return inner_parameters(self.components, self.average_lipschitz).resolvent_step


def examine(matrices: Float[np.ndarray, "..."], offsets: Float[np.ndarray, "..."] | None = None) -> Examination:
    """Constants of components $M_iu + c_i$.

    Raises NotMonotone (a ValueError that names the offending eigenvalue) when the mean is not monotone, and ValueError
    on entries that are not finite or on shapes that do not fit.
    """
    if matrices.ndim != 3 or matrices.shape[1] != matrices.shape[2] or not len(matrices):
        raise ValueError(f"matrices has shape {matrices.shape}: must be (n, dim, dim) with n ≥ 1")
    check_finite(matrices=matrices)
    if offsets is not None:
        if offsets.shape != matrices.shape[:2]:
            raise ValueError(f"offsets has shape {offsets.shape}: must be (n, dim) = {matrices.shape[:2]}")
        check_finite(offsets=offsets)
    lowest = finite_sums.check_monotone(matrices)
    return Examination(
        components=len(matrices),
        lowest_eigenvalue=lowest,
        lipschitz=finite_sums.operator_norm(matrices),
        average_lipschitz=finite_sums.average_lipschitz(matrices),
        cocoercivity=finite_sums.average_cocoercivity(matrices),
        sharpness=max(lowest, 0.0),
    )


def predicted_evaluations(
    found: Examination, *, distance: float, accuracy: float, components: int | None = None, share: float = 1.0
) -> dict[str, float]:
    r"""Mean evaluations of components until $\sqrt{\mathbb{E}\|v\|^2} \le \varepsilon$, by each method's guarantee.

    Deterministic: Halpern ($nL_FD/\varepsilon$, its tight rate, with the smallest cocoercivity constant that the
    Lipschitz constant allows) or fast extragradient ($2 \cdot 2nL_FD/\varepsilon$). With variance reduction: about
    $16LD/\varepsilon$ iterations of Algorithm 1, or $2LD/(\sqrt n\varepsilon)$ outer ones of Algorithm 2 (as with exact
    resolvents). `share` multiplies these two: ½ is what linear components need for small ε.
    Raises ValueError unless distance, accuracy and share are positive and components ≥ 1.
    """
    check_positive(distance=distance, accuracy=accuracy, share=share)
    n = found.components if components is None else components
    check_between(1.0, float("inf"), components=n)
    scale = distance / accuracy
    if found.cocoercive:
        iterations = math.ceil(16.0 * share * found.cocoercivity * scale - 4.0)
        return {
            "Halpern": n * max(found.lipschitz * scale - 1.0, 1.0),
            "Algorithm 1": algorithm_1_cost(n, max(iterations, 1)),
        }
    outer = math.ceil(2.0 * share * found.average_lipschitz * scale / np.sqrt(n))
    return {
        "fast extragradient": n * max(4.0 * found.lipschitz * scale - 1.0, 1.0),
        "Algorithm 2": algorithm_2_cost(n, max(outer, 1)),
    }


def algorithm_1_cost(components: int, iterations: int) -> float:
    """Mean evaluations of K iterations: the last of `schedules.expected_cost` without a sum over all of them."""
    steady = 2 + math.isqrt(components)  # from this iteration on all cost the same
    early = np.sum(iteration_cost(components, np.arange(min(iterations, steady))))
    return float(early + max(iterations - steady, 0) * iteration_cost(components, steady))


def algorithm_2_cost(components: int, iterations: int) -> float:
    r"""Mean evaluations of K outer iterations, $\sum_{k<K} n + 3M_k = n\,(K + 3c\log (K+1)!)$ with $M_k$ not rounded.

    An inner step costs two, and a full evaluation with probability 1/n.
    """
    return components * (iterations + 3.0 * INNER_FACTOR * math.lgamma(iterations + 2.0))


def break_even(found: Examination, *, distance: float, accuracy: float, share: float = 1.0) -> int | None:
    """Fewest components (the constants staying as they are) from which the variance-reduced method's guarantee is
    cheaper than the deterministic one; None when there are none up to 10⁹. `share`: as in `predicted_evaluations`."""

    def pays(n: int) -> bool:
        plain, reduced = predicted_evaluations(
            found, distance=distance, accuracy=accuracy, components=n, share=share
        ).values()
        return bool(reduced < plain)

    sizes = np.unique(np.round(np.geomspace(1, LARGEST, 400)).astype(int))
    first = next((i for i, n in enumerate(sizes) if pays(int(n))), None)
    if first is None:
        return None
    low, high = int(sizes[max(first - 1, 0)]), int(sizes[first])
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if pays(middle) else (middle, high)
    return high
