r"""How far from balance the update leaves the biases for good: closed forms for a stationary stream.

Once the start is forgotten, biases wander around the balanced ones by $\delta$. A model whose biases are frozen at some
moment has the global $\mathrm{MaxVio} = \mu\max_k(\delta_k-\bar\delta)/L$ on endless tokens. With v the variance of
$\delta$ per direction and $m_E$ the expected maximum of E normals,

$$\mathbb{E}\,\mathrm{MaxVio} \approx \frac{\mu\sqrt v\,m_E}{L}.$$

For streams in which every expert is alike at balance, so that $\mu=TE/(E-1)$ for uniform scores and a direction of the
loads has the variance $\sigma^2E/(E-1)$, $\sigma^2=TR(1-R)$, $R=K/E$. Derived here, from `alf-lb` C5 and C6.
"""

from functools import cache

import numpy as np
from scipy.integrate import quad
from scipy.special import ndtr

from lab.arrays import check_between, check_positive
from lab.routing.regret import sign_rule_slope
from lab.routing.selection import check_experts_per_token


@cache
def expected_maximum(experts: int) -> float:
    r"""$m_E=\int_0^\infty\bigl(1-\Phi(z)^E-\Phi(-z)^E\bigr)dz$, the expected maximum of E independent normals."""
    check_positive(experts=experts)
    return float(quad(lambda z: 1.0 - ndtr(z) ** experts - ndtr(-z) ** experts, 0.0, 40.0, limit=200)[0])


def proportional_jitter(tokens: int, experts: int, *, experts_per_token: int, rate: float) -> float:
    r"""Expected global MaxVio under steps $p + \varepsilon(L-A)$: with $a=\varepsilon\mu$, a batch's floor times
    $\sqrt{a/(2-a)}$.

    rate: ε in scores per token. Raises ValueError unless $0 < a < 2$: beyond, the steps diverge.
    """
    _check(tokens, experts, experts_per_token)
    contraction = rate * tokens * experts / (experts - 1)
    check_between(0.0, 2.0, open_low=True, open_high=True, **{"rate · μ": contraction})
    return _floor(tokens, experts, experts_per_token) * float(np.sqrt(contraction / (2.0 - contraction)))


def sign_jitter(tokens: int, experts: int, *, experts_per_token: int, rate: float) -> float:
    r"""Expected global MaxVio under the sign rule, for $u\mu\ll\sigma$: a batch's floor times
    $\sqrt{\mu^2v/\sigma_\perp^2}$, $\sigma_\perp^2$ the variance of the loads per direction,
    where $v=2\,\text{slope}/(\mu(E-1))$ from the slope of the regret: it grows as $\sqrt u$. Beyond, as u.
    """
    _check(tokens, experts, experts_per_token)
    curvature = tokens * experts / (experts - 1)
    slope = sign_rule_slope(tokens, experts, experts_per_token=experts_per_token, rate=rate)
    share = experts_per_token / experts
    square = 2.0 * slope * curvature / (experts - 1) / (tokens * share * (1.0 - share) * experts / (experts - 1))
    return _floor(tokens, experts, experts_per_token) * float(np.sqrt(square))


def _floor(tokens: int, experts: int, experts_per_token: int) -> float:
    """Expected MaxVio of one batch at balance, for normal loads."""
    share = experts_per_token / experts
    spread = np.sqrt(tokens * share * (1.0 - share) * experts / (experts - 1))
    return float(spread) * expected_maximum(experts) / (tokens * share)


def _check(tokens: int, experts: int, experts_per_token: int) -> None:
    check_positive(tokens=tokens)
    check_experts_per_token(experts_per_token, experts)
    check_between(2.0, float("inf"), experts=experts)
