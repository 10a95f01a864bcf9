"""Who wins: Bradley–Terry, Plackett–Luce and general preferences, and labels that were flipped at random.

Sources: `dpo-background` (Bradley–Terry, Plackett–Luce), `rdpo` (flips), `nash-background` (general preferences).
"""

from typing import Any

import numpy as np
from array_api_compat import device
from jaxtyping import Bool, Float

from lab.arrays import (
    Array,
    Real,
    check_between,
    check_broadcast,
    check_finite,
    check_flip_rate,
    check_last_axis,
    floats,
    log_sigmoid,
    namespace,
    sigmoid,
)


def bradley_terry(reward: Float[Array, "... actions"]) -> Float[Array, "... actions actions"]:
    r"""Preference matrix $P(a \succ b) = \sigma(r_a - r_b)$. Raises ValueError unless all rewards are finite."""
    (reward,) = floats(reward)
    check_last_axis("actions", reward=reward)
    check_finite(reward=reward)
    return sigmoid(reward[..., :, None] - reward[..., None, :])


def plackett_luce(reward: Float[Array, "... ranked"]) -> Float[Array, "..."]:
    r"""Log-probability of the ranking in which the items stand, best first: $\sum_k [r_k - \log\sum_{j\ge k} e^{r_j}]$.

    Two items give Bradley–Terry's $\log\sigma(r_1 - r_2)$. Raises ValueError without items, or unless all is finite.
    """
    (reward,) = floats(reward)
    check_last_axis("ranked items", reward=reward)
    check_finite(reward=reward)
    xp = namespace(reward)
    total = xp.zeros_like(reward[..., 0])
    remaining = reward[..., -1]
    for k in range(reward.shape[-1] - 2, -1, -1):
        remaining = xp.logaddexp(reward[..., k], remaining)
        total = total + reward[..., k] - remaining
    return total


def check_preference_matrix(preference_matrix: Float[Array, "... actions actions"]) -> None:
    r"""Raise ValueError unless entries lie in [0, 1] and $P + P^\top = 1$ (so that ties are 1/2), to rounding."""
    (preference_matrix,) = floats(preference_matrix)
    xp = namespace(preference_matrix)
    if preference_matrix.ndim < 2 or preference_matrix.shape[-1] != preference_matrix.shape[-2]:
        raise ValueError(f"preference_matrix has shape {tuple(preference_matrix.shape)}: must be square")
    check_between(0.0, 1.0, preference_matrix=preference_matrix)
    excess = preference_matrix + xp.matrix_transpose(preference_matrix) - 1.0
    rounding = 4 * float(xp.finfo(preference_matrix.dtype).eps)
    check_between(-rounding, rounding, **{"preference_matrix + its transpose − 1": excess})


def flipped(probability: Real, *, flip_rate: Real) -> Float[Array, "..."]:
    r"""Probability of a label seen through random flips: $\tilde p = (1-2\varepsilon)\,p + \varepsilon$.

    Raises ValueError unless 0 ≤ flip_rate < 1/2, 0 ≤ probability ≤ 1, and the shapes broadcast. Source: `rdpo`, C2.
    """
    probability, flip_rate = _checked(probability, flip_rate)
    return (1.0 - 2.0 * flip_rate) * probability + flip_rate


def flip_at_random(source: Any, won: Bool[Array, "..."], *, flip_rate: Real) -> Bool[Array, "..."]:
    r"""Labels seen through random flips: each is turned round with probability ε, independently of the others.

    `won` says where the clean label prefers the first answer; the law of the result is `flipped`. `source` is a NumPy
    generator, or a JAX key (also under jit and vmap). Raises ValueError unless the labels are truth values,
    0 ≤ flip_rate < 1/2, and the rates' shape broadcasts to that of the labels. Source: `rdpo`, setting.
    """
    won = won if hasattr(won, "dtype") else np.asarray(won)
    xp = namespace(won)
    if won.dtype != xp.bool:
        raise ValueError(f"won has dtype {won.dtype}: must hold truth values, True where the first answer is preferred")
    check_flip_rate(flip_rate)
    check_broadcast(won=won, flip_rate=flip_rate)
    shape: tuple[int, ...] = tuple(won.shape)
    of_rate: tuple[int, ...] = tuple(np.shape(flip_rate))
    if np.broadcast_shapes(shape, of_rate) != shape:
        raise ValueError(f"flip_rate has {of_rate}: must broadcast to the shape of won, {shape}")
    if isinstance(source, np.random.Generator):
        uniform = xp.asarray(source.random(shape), device=device(won))
    else:
        import jax

        uniform = jax.random.uniform(source, shape)
    uniform, flip_rate = floats(uniform, flip_rate)
    return won ^ (uniform < flip_rate)


def unflipped(probability: Real, *, flip_rate: Real) -> Float[Array, "..."]:
    r"""Inverse of `flipped`: $p = (\tilde p - \varepsilon)/(1 - 2\varepsilon)$; it may leave [0, 1]. Raises as that."""
    probability, flip_rate = _checked(probability, flip_rate)
    return (probability - flip_rate) / (1.0 - 2.0 * flip_rate)


def noisy_log_likelihood(margin: Real, *, flip_rate: Real) -> Float[Array, "..."]:
    r"""$\log[(1-2\varepsilon)\,\sigma(h) + \varepsilon]$: log-probability of a Bradley–Terry label seen through flips.

    Computed as $\log[(1-\varepsilon)\sigma(h) + \varepsilon\sigma(-h)]$ in log space. Raises ValueError unless
    0 ≤ flip_rate < 1/2, the margin is finite, and the shapes broadcast. Source: `rdpo`, C6.
    """
    check_flip_rate(flip_rate)
    check_broadcast(margin=margin, flip_rate=flip_rate)
    check_finite(margin=margin)
    margin, flip_rate = floats(margin, flip_rate)
    xp = namespace(margin, flip_rate)
    noisy = flip_rate > 0
    log_rate = xp.where(noisy, xp.log(xp.where(noisy, flip_rate, xp.ones_like(flip_rate))), -xp.inf)
    return xp.logaddexp(xp.log1p(-flip_rate) + log_sigmoid(margin), log_rate + log_sigmoid(-margin))


def _checked(probability: Real, flip_rate: Real) -> tuple[Array, Array]:
    check_flip_rate(flip_rate)
    check_between(0.0, 1.0, probability=probability)
    check_broadcast(probability=probability, flip_rate=flip_rate)
    probability, flip_rate = floats(probability, flip_rate)
    return probability, flip_rate
