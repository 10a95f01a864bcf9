r"""What all pairwise losses share: the margin of an observed pair, and its scaling.

The margin of a pair is the difference of its log-ratios, $m = \log\frac{\pi(y_w)}{\pi_{ref}(y_w)} -
\log\frac{\pi(y_l)}{\pi_{ref}(y_l)}$ in nats, chosen minus rejected as labelled; losses read $h = \beta m$. In
reward-model training the margin is the difference of two rewards and `beta` is 1: the losses are the same functions.
"""

from typing import Any

from jaxtyping import Float

from lab.arrays import Array, Real, check_broadcast, check_finite, check_flip_rate, check_positive, floats


def log_ratio_margin(
    chosen: Real, rejected: Real, *, reference_chosen: Real, reference_rejected: Real
) -> Float[Array, "..."]:
    r"""The margin of pairs from four log-probabilities in nats (of whole responses: sums over tokens).

    Raises ValueError if one is not finite. Source: `dpo-background`, setting.
    """
    named = {
        "chosen": chosen,
        "rejected": rejected,
        "reference_chosen": reference_chosen,
        "reference_rejected": reference_rejected,
    }
    check_broadcast(**named)
    check_finite(**named)
    chosen, rejected, reference_chosen, reference_rejected = floats(*named.values())
    return (chosen - reference_chosen) - (rejected - reference_rejected)


def scaled(margin: Real, *, beta: Real) -> Any:
    r"""$h = \beta m$. Raises ValueError unless the margin is finite, beta positive, and the shapes broadcast."""
    check_broadcast(margin=margin, beta=beta)
    check_finite(margin=margin)
    check_positive(beta=beta)
    margin, beta = floats(margin, beta)
    return beta * margin


def scaled_with_rate(margin: Real, *, beta: Real, flip_rate: Real) -> tuple[Any, Any]:
    r"""$(h, \varepsilon)$ as arrays of one library. Raises ValueError as `scaled`, and unless 0 ≤ flip_rate < 1/2."""
    check_broadcast(margin=margin, beta=beta, flip_rate=flip_rate)
    check_flip_rate(flip_rate)
    h, flip_rate = floats(scaled(margin, beta=beta), flip_rate)
    return h, flip_rate
