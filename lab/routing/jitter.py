r"""How far from balance the update leaves the biases for good: closed forms for a stationary stream.

Once the start is forgotten, biases wander around the balanced ones by $\delta$. A model whose biases are frozen at some
moment has the global $\mathrm{MaxVio} = \mu\max_k(\delta_k-\bar\delta)/L$ on endless tokens. With v the variance of
$\delta$ per direction and $m_E$ the expected maximum of E normals,

$$\mathbb{E}\,\mathrm{MaxVio} \approx \frac{\mu\sqrt v\,m_E}{L}.$$

For streams in which every expert is alike at balance, so that $\mu=TE/(E-1)$ for uniform scores and a direction of the
loads has the variance $\sigma_\perp^2=\sigma^2E/(E-1)$, $\sigma^2=TR(1-R)$, $R=K/E$. Derived here, from `alf-lb` C5 and
C6.
"""

from lab.arrays import check_between
from lab.routing.balance import load_variance, normal_noise_floor
from lab.routing.regret import sign_rule_spread
from lab.routing.uniform_scores import balanced_curvature


def proportional_jitter(tokens: int, experts: int, *, experts_per_token: int, rate: float) -> float:
    r"""Expected global MaxVio under steps $p + \varepsilon(L-A)$: with $a=\varepsilon\mu$, a batch's floor times
    $\sqrt{a/(2-a)}$.

    rate: ε in scores per token. Raises ValueError unless $0 < a < 2$: beyond, the steps diverge.
    """
    contraction = rate * tokens * balanced_curvature(experts)
    check_between(0.0, 2.0, open_low=True, open_high=True, **{"rate · μ": contraction})
    floor = normal_noise_floor(tokens, experts, experts_per_token=experts_per_token)
    return floor * (contraction / (2.0 - contraction)) ** 0.5


def sign_jitter(tokens: int, experts: int, *, experts_per_token: int, rate: float) -> float:
    r"""Expected global MaxVio under the sign rule, for $u\mu\ll\sigma$: a batch's floor times
    $\sqrt{\mu^2v/\sigma_\perp^2} = \sqrt{\mu v\,T/\sigma^2}$ with the μv of `sign_rule_spread`: it grows as $\sqrt u$.
    Beyond, as u.

    rate: u in units of the scores. Raises ValueError unless $u > 0$ and $K < E$.
    """
    variance = load_variance(tokens, experts, experts_per_token=experts_per_token)
    spread = sign_rule_spread(rate, deviation=variance**0.5, experts=experts)
    floor = normal_noise_floor(tokens, experts, experts_per_token=experts_per_token)
    return floor * (spread * tokens / variance) ** 0.5
