r"""How much Expert Choice routing tells a token about later tokens, in bits.

Each expert picks its KT/E tokens from the whole batch, later tokens included. What the routing can reveal is at most
the logarithm of the number of routings, $E\log_2\binom{T}{KT/E}$. Source: Wang et al. (arXiv 2408.15664), Appendix D,
where the binomial is printed upside down; the limit per token is derived (`alf-lb`, C10).
"""

from math import comb, log2

from jaxtyping import Float

from lab.arrays import Array, Real, check_between, floats, namespace


def leak_bound(experts: Real, *, experts_per_token: Real) -> Float[Array, "..."]:
    r"""$K\log_2\frac{1-R}{R}$ bits a token and layer, $R = K/E < \frac12$: the printed lower bound on the capacity."""
    experts, experts_per_token = floats(experts, experts_per_token)
    share = experts_per_token / experts
    check_between(0.0, 0.5, open_low=True, open_high=True, **{"experts_per_token / experts": share})
    xp = namespace(share)
    return experts_per_token * xp.log2((1.0 - share) / share)


def leak_limit(experts: Real, *, experts_per_token: Real) -> Float[Array, "..."]:
    r"""$E\,H_2(K/E)$ bits a token and layer: the capacity as the number of tokens grows."""
    experts, experts_per_token = floats(experts, experts_per_token)
    share = experts_per_token / experts
    check_between(0.0, 1.0, open_low=True, open_high=True, **{"experts_per_token / experts": share})
    xp = namespace(share)
    return -experts * (share * xp.log2(share) + (1.0 - share) * xp.log2(1.0 - share))


def leak_capacity(tokens: int, experts: int, *, experts_per_token: int) -> float:
    r"""$\frac ET\log_2\binom{T}{KT/E}$ bits a token and layer: exact for T tokens.

    Raises ValueError unless E divides K·T and K ≤ E.
    """
    if experts_per_token > experts:
        raise ValueError(f"experts_per_token = {experts_per_token}: must be at most experts = {experts}")
    if (tokens * experts_per_token) % experts:
        raise ValueError(f"tokens = {tokens}: experts = {experts} must divide {experts_per_token} × tokens")
    return experts / tokens * log2(comb(tokens, tokens * experts_per_token // experts))
