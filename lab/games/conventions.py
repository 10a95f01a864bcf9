r"""Translations between the step sizes and losses of the papers on preference games; each has a test.

Here `step_size` is η of $\pi_+ \propto \pi^{1-\eta\beta}\pi_{ref}^{\eta\beta}e^{\eta P\pi}$.
"""

from jaxtyping import Float

from lab.arrays import Array, Real, check_between, check_positive, floats


def step_from_sgd(sgd_step: Real, *, beta: Real, actions: int) -> Float[Array, "..."]:
    r"""$\eta = \frac{4s}{\beta N}$: a step of SGD of size s on the online-IPO loss with uniform pairs (`egpo`, C6)."""
    check_positive(sgd_step=sgd_step, beta=beta, actions=actions)
    sgd_step, beta = floats(sgd_step, beta)
    return 4.0 * sgd_step / (beta * actions)


def step_from_inverse(inverse_step: Real) -> Float[Array, "..."]:
    r"""$\eta = 1/\eta_{INPO}$: INPO, DNO and COMAL write the inverse step size as η (`inpo`, Equation 5)."""
    check_positive(inverse_step=inverse_step)
    (inverse_step,) = floats(inverse_step)
    return 1.0 / inverse_step


def step_from_magnetic(magnetic_step: Real, *, magnet: Real) -> Float[Array, "..."]:
    r"""$\eta = \frac{\eta_m}{1+\eta_m\alpha}$ for magnetic mirror descent
    $\pi_+ \propto [\pi\,\pi_{ref}^{\eta_m\alpha}e^{\eta_m q}]^{1/(1+\eta_m\alpha)}$, with β = α (`nash-background`)."""
    check_positive(magnetic_step=magnetic_step)
    check_between(0.0, float("inf"), magnet=magnet)
    magnetic_step, magnet = floats(magnetic_step, magnet)
    return magnetic_step / (1.0 + magnetic_step * magnet)


def slope_from_target(target: Real) -> Float[Array, "..."]:
    r"""$k = 2c$: labelled pairs with the constant target c fit the slope k in front of the difference of win rates.

    So the step η needs the target η/2 (ONPO, and MNPO corrected), and INPO's inverse step the target 1/(2η).
    Source: `inpo`, C5 (derived).
    """
    (target,) = floats(target)
    return 2.0 * target


def exploitability(gap: Real) -> Float[Array, "..."]:
    """One-sided exploitability of a policy, half of the two-sided duality gap of a symmetric game."""
    (gap,) = floats(gap)
    return gap / 2.0
