r"""Momentum on proximal steps with a fixed reward: the exact law of accelerated preference optimisation.

One step adds $r/\beta$ to the logits, and the extrapolation repeats a share α of the last move. After T steps the
output is $\hat\pi_T \propto \pi_{ref}\,e^{S_T r/\beta}$: how fast the method is, is how far it *travels*.

Source: `apo`, C1–C3 (derived).
"""

from typing import Any

from jaxtyping import Float

from lab.arrays import Array, Real, check_between, check_positive, floats, namespace


def step_weights(steps: int, *, extrapolation: Real) -> Float[Array, "... steps"]:
    r"""What the reward fitted at step s = 1, …, T weighs at the end: $w_s = \sum_{i=0}^{T-s}\alpha^i =
    \frac{1-\alpha^{T-s+1}}{1-\alpha}$, without the division that fails at α = 1.

    Raises ValueError unless 0 ≤ extrapolation ≤ 1 and there is a step.
    """
    if steps < 1:
        raise ValueError(f"steps = {steps}: must be at least 1")
    check_between(0.0, 1.0, extrapolation=extrapolation)
    (share,) = floats(extrapolation)
    xp = namespace(share)
    sums = [xp.ones_like(share)]  # c_1, c_2, …: c_{j+1} = 1 + α c_j
    for _ in range(steps - 1):
        sums.append(1.0 + share * sums[-1])
    return xp.stack(sums[::-1], axis=-1)


def travel(steps: int, *, extrapolation: Real) -> Float[Array, "..."]:
    r"""$S_T = \sum_s w_s = \frac{1}{1-\alpha}\left[T - \frac{\alpha(1-\alpha^T)}{1-\alpha}\right]$: T at α = 0,
    T(T + 1)/2 at α = 1."""
    weights = step_weights(steps, extrapolation=extrapolation)
    return namespace(weights).sum(weights, axis=-1)


def extrapolated_travel(steps: int, *, extrapolation: Real) -> Float[Array, "..."]:
    r"""How far the extrapolated policy $\pi_T$ has gone, which is the next reference and not the output:
    $S_T + \alpha\,\frac{1-\alpha^T}{1-\alpha}$."""
    weights = step_weights(steps, extrapolation=extrapolation)
    total, last, share = floats(namespace(weights).sum(weights, axis=-1), weights[..., 0], extrapolation)
    return total + share * last


def scheduled_travel(extrapolations: Any) -> Float[Array, "... steps"]:
    r"""$S_1, S_2, \dots$ for an extrapolation that changes: step t moves by $m_t = 1 + \alpha_{t-1}m_{t-1}$.

    The first share is that after step 1. A share t/(t + 3) is Nesterov's.
    """
    (shares,) = floats(extrapolations)
    xp = namespace(shares)
    move = xp.ones_like(shares[..., 0])
    total, travelled = move, [move]
    for t in range(shares.shape[-1]):
        move = 1.0 + shares[..., t] * move
        total = total + move
        travelled.append(total)
    return xp.stack(travelled, axis=-1)


def signal_to_noise(steps: int, *, extrapolation: Real) -> Float[Array, "..."]:
    r"""$S_T/\|w\|_2 \le \sqrt T$, for rewards whose errors are independent from step to step with unit variance.

    Equal to √T at α = 0 alone (Cauchy–Schwarz).
    """
    weights = step_weights(steps, extrapolation=extrapolation)
    xp = namespace(weights)
    return xp.sum(weights, axis=-1) / xp.sqrt(xp.sum(weights * weights, axis=-1))


def suboptimality_bound(distance: Real, *, beta: Real, log_best: Real) -> Float[Array, "..."]:
    r"""$\max r - \mathbb{E}_{\hat\pi}\,r \le \frac{\beta}{S}\log\frac{1}{\pi_{ref}(y^*)}$ after travelling S, whatever
    the reward."""
    check_positive(distance=distance, beta=beta)
    distance, beta, log_best = floats(distance, beta, log_best)
    return -beta * log_best / distance


def total_variation_bound(distance: Real, *, beta: Real, log_best: Real, reward_gap: Real) -> Float[Array, "..."]:
    r"""$\mathrm{TV}(\hat\pi, \pi^*) \le \frac{1-\pi_{ref}(y^*)}{\pi_{ref}(y^*)}\,e^{-S\Delta/\beta}$ with the gap Δ
    between the best reward and the second."""
    check_positive(distance=distance, beta=beta)
    distance, beta, log_best, reward_gap = floats(distance, beta, log_best, reward_gap)
    xp = namespace(distance)
    return xp.expm1(-log_best) * xp.exp(-distance * reward_gap / beta)
