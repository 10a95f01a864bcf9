r"""Losses for labels flipped at random: the correction that makes any pairwise loss unbiased, and label smoothing.

A pair's label is swapped with probability $\varepsilon$, independently of the pair given the clean label; swapping
negates the margin. A pairwise loss is a function `loss(margin, **settings)`; `robust` and `conservative` make another.
Sources: `rdpo`, C1 and C8; the correction is that of Natarajan et al. (2013) for classification.
"""

from collections.abc import Callable

from jaxtyping import Float

from lab.arrays import Array, Real, check_flip_rate, floats

PairwiseLoss = Callable[..., Float[Array, "..."]]


def push(flip_rate: Real) -> Float[Array, "..."]:
    r"""$c = \frac{\varepsilon}{1-2\varepsilon}$, the weight with which the correction pushes every observed pair.

    Raises ValueError unless 0 ≤ flip_rate < 1/2. Source: `rdpo`, method.
    """
    check_flip_rate(flip_rate)
    (flip_rate,) = floats(flip_rate)
    return flip_rate / (1.0 - 2.0 * flip_rate)


def compound_flip_rate(first: Real, second: Real) -> Float[Array, "..."]:
    r"""Rate of two flips one after the other, $\varepsilon_1 + \varepsilon_2 - 2\varepsilon_1\varepsilon_2$.

    Label smoothing at rate $\varepsilon_2$ on labels flipped at rate $\varepsilon_1$ is, in expectation, the plain loss
    on labels flipped at this rate: smoothing adds noise, it does not remove it. Raises ValueError unless both
    rates lie in [0, 1/2). Source: `rdpo`, C2.
    """
    check_flip_rate(first, name="first")
    check_flip_rate(second, name="second")
    first, second = floats(first, second)
    return first * (1.0 - second) + second * (1.0 - first)


def break_even_batch(flip_rate: Real) -> Float[Array, "..."]:
    r"""$\frac{4(1-\varepsilon)^2}{(1-2\varepsilon)^2}$: on one repeated pair the robust gradient has a smaller mean
    squared error than DPO's exactly for batches larger than this.

    Bias² + variance: $\varepsilon^2 + \varepsilon(1-\varepsilon)/B$ against
    $\varepsilon(1-\varepsilon)(1-2\varepsilon)^{-2}/B$. Raises ValueError unless 0 ≤ flip_rate < 1/2.
    Source: `rdpo`, C4 (derived).
    """
    check_flip_rate(flip_rate)
    (flip_rate,) = floats(flip_rate)
    return 4.0 * (1.0 - flip_rate) ** 2 / (1.0 - 2.0 * flip_rate) ** 2


def robust(loss: PairwiseLoss, *, flip_rate: Real) -> PairwiseLoss:
    r"""The loss whose expectation over flips is the clean `loss`, for any pairwise loss $\ell$:

    $$\hat\ell(m) = \frac{(1-\varepsilon)\,\ell(m) - \varepsilon\,\ell(-m)}{1-2\varepsilon}
      = \ell(m) + c\,[\ell(m) - \ell(-m)].$$

    It may be non-convex and unbounded below where $\ell$ is neither (`robust_hinge`, `robust_probit`).
    Raises ValueError unless 0 ≤ flip_rate < 1/2. Source: `rdpo`, C1 and C8.
    """
    c = push(flip_rate)

    def corrected(margin: Real, **settings: Real) -> Float[Array, "..."]:
        observed, weight = floats(loss(margin, **settings), c)
        return observed + weight * (observed - loss(-margin, **settings))

    return corrected


def conservative(loss: PairwiseLoss, *, flip_rate: Real) -> PairwiseLoss:
    r"""The label-smoothed loss $(1-\varepsilon)\,\ell(m) + \varepsilon\,\ell(-m)$: `loss` averaged over one more flip.

    Raises ValueError unless 0 ≤ flip_rate < 1/2. Source: Mitchell (2023); `rdpo`, method.
    """
    check_flip_rate(flip_rate)

    def smoothed(margin: Real, **settings: Real) -> Float[Array, "..."]:
        observed, rate = floats(loss(margin, **settings), flip_rate)
        return observed + rate * (loss(-margin, **settings) - observed)

    return smoothed
