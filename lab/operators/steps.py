r"""One step of each method for monotone inclusions $0 \in F(u) + G(u)$, as formulas over the array API.

    forward          u − η F(u)                                       gradient descent when F is a gradient
    averaged         (1 − t) u + t T(u)                               Krasnoselskii–Mann
    anchored         λ u₀ + (1 − λ) u                                 what Halpern's iteration adds: a pull to the start
    halpern          λ u₀ + (1 − λ) T(u)
    extragradient    a look ahead, then the step                      Korpelevich
    anchored_extragradient, fast_extragradient                        EAG and FEG: extragradient with an anchor
    page             the estimator that recycles its last value       PAGE
    page_halpern     Algorithm 1: J(λ u₀ + (1 − λ) u − η F̃)

Points are (..., dim); an operator or a resolvent is a function of points. Weights and steps are numbers or have the
leading dimensions.

Source: `vr-halpern` (arXiv 2310.02987v2) and its code; FEG: Lee and Kim (2021); EAG: Yoon and Ryu (2021); PAGE:
Li, Bao, Zhang and Richtárik (2021).
"""

from collections.abc import Callable

from jaxtyping import Bool, Float

from lab.arrays import Array, Real, beside, check_between, check_positive, namespace
from lab.operators.schedules import Iteration

Points = Float[Array, "... dim"]
Operator = Callable[[Points], Points]


def same(u: Points) -> Points:
    """The resolvent of G = 0."""
    return u


def forward(u: Points, value: Points, *, step_size: Real) -> Points:
    r"""$u - \eta F(u)$; `value` is $F(u)$ or an estimate of it. Raises ValueError unless step_size is positive."""
    check_positive(step_size=step_size)
    return u - beside(step_size) * value


def averaged(u: Points, mapped: Points, *, weight: Real) -> Points:
    r"""Krasnoselskii–Mann: $(1-t)\,u + t\,T(u)$; `mapped` is $T(u)$. Raises ValueError unless 0 < weight ≤ 1."""
    check_between(0.0, 1.0, open_low=True, weight=weight)
    return u + beside(weight) * (mapped - u)


def anchored(u: Points, start: Points, *, anchor: Real) -> Points:
    r"""$\lambda u_0 + (1-\lambda) u$. Raises ValueError unless 0 ≤ anchor ≤ 1."""
    check_between(0.0, 1.0, anchor=anchor)
    return beside(anchor) * start + (1.0 - beside(anchor)) * u


def halpern(mapped: Points, start: Points, *, iteration: Iteration) -> Points:
    r"""Halpern's step $\frac{1}{k+1} u_0 + \frac{k}{k+1} T(u_{k-1})$ to iterate k = 1, 2, …; `mapped` is $T(u_{k-1})$.

    Raises ValueError unless iteration ≥ 1. Source: Lieder (2021), `vr-halpern` C6.
    """
    check_between(1.0, float("inf"), iteration=iteration)
    return anchored(mapped, start, anchor=1.0 / (iteration + 1.0))


def extragradient(
    u: Points, operator: Operator, *, step_size: Real, resolvent: Operator = same
) -> tuple[Points, Points]:
    r"""$\bar u = J(u - \eta F(u))$, $u^+ = J(u - \eta F(\bar u))$: the new point, and the look-ahead."""
    ahead = resolvent(forward(u, operator(u), step_size=step_size))
    return resolvent(forward(u, operator(ahead), step_size=step_size)), ahead


def anchored_extragradient(
    u: Points, start: Points, operator: Operator, *, iteration: Iteration, step_size: Real, resolvent: Operator = same
) -> Points:
    r"""EAG with constant steps: both half-steps leave from $\beta_k u_0 + (1-\beta_k) u_k$, $\beta_k = \frac{1}{k+2}$.

    iteration: k = 0, 1, … of the point `u`. For an L-Lipschitz monotone F, $\eta = \frac{1}{8L}$ gives
    $\|F(u_k)\|^2 \le \frac{260 L^2 D^2}{(k+1)^2}$. Source: Yoon and Ryu (2021), EAG-C.
    """
    base = anchored(u, start, anchor=1.0 / (iteration + 2.0))
    ahead = resolvent(forward(base, operator(u), step_size=step_size))
    return resolvent(forward(base, operator(ahead), step_size=step_size))


def fast_extragradient(
    u: Points, start: Points, operator: Operator, *, iteration: Iteration, step_size: Real
) -> Points:
    r"""FEG without constraints: $y = u_k + \beta_k(u_0-u_k) - (1-\beta_k)\eta F(u_k)$,
    $u_{k+1} = u_k + \beta_k(u_0-u_k) - \eta F(y)$, $\beta_k = \frac{1}{k+1}$.

    iteration: k = 0, 1, …. For an L-Lipschitz monotone F and $\eta = 1/L$, $\|F(u_k)\| \le 2LD/k$.
    Source: Lee and Kim (2021) with ρ = 0.
    """
    beta = 1.0 / (iteration + 1.0)
    base = anchored(u, start, anchor=beta)
    ahead = base - beside((1.0 - beta) * step_size) * operator(u)
    return forward(base, operator(ahead), step_size=step_size)


def page(full: Points, estimate: Points, difference: Points, *, reset: Bool[Array, "..."] | bool) -> Points:
    r"""PAGE: $F(u_k)$ on a reset, else $\tilde F_{k-1} + \frac1b\sum_{i\in S}(F_i(u_k) - F_i(u_{k-1}))$.

    reset: truth value, with the leading dimensions; `difference` is the mean over the batch. Cost: n evaluations on a
    reset, else 2b. Biased given the past: only the error's second moment obeys a simple recursion.
    """
    xp = namespace(full, estimate, difference)
    return xp.where(xp.asarray(reset), full, estimate + difference)


def page_halpern(
    u: Points, start: Points, estimate: Points, *, anchor: Real, step_size: Real, resolvent: Operator = same
) -> tuple[Points, Points]:
    r"""$u^+ = J_{\eta G}(z)$ with $z = \lambda u_0 + (1-\lambda)u - \eta\tilde F$, and $g = (z-u^+)/\eta \in G(u^+)$.

    The step is *not* multiplied by $1-\lambda$. `resolvent` is $J_{\eta G}$. Source: `vr-halpern`, Algorithm 1.
    """
    point = forward(anchored(u, start, anchor=anchor), estimate, step_size=step_size)
    after = resolvent(point)
    return after, (point - after) / beside(step_size)
