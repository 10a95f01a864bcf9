r"""Update rules for preference games: pure steps in log-probabilities with one interface, and the table of them.

    step(state, payoffs, *, log_reference, beta, step_size) -> state

`payoffs(log_policy, query)` gives the payoff of every action against a policy, exact or noisy; `query` numbers the
calls of one step (0, 1) so that a noisy oracle can draw afresh. η is `step_size`, $a = 1 - \eta\beta$ the share of the
present policy that a step keeps. Everything is modulo a constant: states hold normalised log-probabilities.

Sources: `nash-background`, methods; `egpo`, methods; `inpo`; `apo`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from lab.arrays import Array, Real, beside, floats, log_softmax, namespace

Payoffs = Callable[[Array, int], Array]

EXTRAPOLATION = 0.3  # of momentum: `apo`'s choice in its experiments


class State(NamedTuple):
    """The policy that is played (log-probabilities), what the method remembers, and how many steps were taken."""

    log_policy: Array
    memory: Array
    steps: Array


Step = Callable[..., State]


def _anchored(log_policy: Array, log_reference: Array, beta: Real, step_size: Real) -> tuple[Array, Array]:
    r"""$(1-\eta\beta)\log\pi + \eta\beta\log\pi_{ref}$, and η with an axis for the actions."""
    log_policy, log_reference, beta, step_size = floats(log_policy, log_reference, beta, step_size)
    step = beside(step_size)
    pull = step * beside(beta)
    return log_policy + pull * (log_reference - log_policy), step


def mirror_descent(state: State, payoffs: Payoffs, *, log_reference: Array, beta: Real, step_size: Real) -> State:
    r"""$\pi_+ \propto \pi^{1-\eta\beta}\,\pi_{ref}^{\eta\beta}\,e^{\eta P\pi}$.

    Multiplicative weights (Hedge, exact SPPO) at β = 0; INPO with step 1/η; magnetic mirror descent with step
    η/(1 − ηβ); the first online-IPO step. Source: `nash-background`; `inpo`, Equation 5.
    """
    base, step = _anchored(state.log_policy, log_reference, beta, step_size)
    return _next(state, base + step * payoffs(state.log_policy, 0), state.memory)


def extragradient(state: State, payoffs: Payoffs, *, log_reference: Array, beta: Real, step_size: Real) -> State:
    r"""A trial step of mirror descent, then the real step from the same start with the trial policy's payoffs.

    $\pi_{1/2} \propto \pi^{a}\pi_{ref}^{\eta\beta}e^{\eta P\pi}$,
    $\pi_+ \propto \pi^{a}\pi_{ref}^{\eta\beta}e^{\eta P\pi_{1/2}}$; the memory holds $\log\pi_{1/2}$. Source: `egpo`.
    """
    base, step = _anchored(state.log_policy, log_reference, beta, step_size)
    half = log_softmax(base + step * payoffs(state.log_policy, 0))
    return _next(state, base + step * payoffs(half, 1), half)


def optimistic(state: State, payoffs: Payoffs, *, log_reference: Array, beta: Real, step_size: Real) -> State:
    r"""Extragradient whose trial step reuses the payoffs seen in the step before: one query a step.

    $\pi_{1/2} \propto \pi^{a}\pi_{ref}^{\eta\beta}e^{\eta\hat g}$ with the remembered payoffs $\hat g$ of the last
    trial policy. At β = 0 optimistic multiplicative weights (ONPO). Source: `nash-background`, OMWU.
    """
    base, step = _anchored(state.log_policy, log_reference, beta, step_size)
    seen = payoffs(log_softmax(base + step * state.memory), 0)
    return _next(state, base + step * seen, seen)


def nash_mirror_descent(
    state: State,
    payoffs: Payoffs,
    *,
    log_reference: Array,
    beta: Real,
    step_size: Real,
    mixture_share: Real = 1.0,
) -> State:
    r"""Nash-MD: mirror descent with the payoffs against the geometric mixture $\pi^{1-c}\pi_{ref}^{c}$.

    $c = \eta\beta$ times `mixture_share`, which is 1 in the paper and ½ in the EGPO authors' simulator.
    Source: `nash-background`; `egpo`, reference implementations.
    """
    base, step = _anchored(state.log_policy, log_reference, beta, step_size)
    share, _ = floats(mixture_share, step_size)
    mixed, _ = _anchored(state.log_policy, log_reference, beta, share * step_size)
    return _next(state, base + step * payoffs(log_softmax(mixed), 0), state.memory)


def policy_gradient(
    state: State,
    payoffs: Payoffs,
    *,
    log_reference: Array,
    beta: Real,
    step_size: Real,
    mixture_share: Real = 0.0,
) -> State:
    r"""Softmax policy gradient in place of a natural one: the move of mirror descent, times $N\pi$, centred.

    $\theta_+ = \theta + \eta N\,\pi\circ(g - \pi^\top g)$ with $g = P\mu - \beta\log\frac{\pi}{\pi_{ref}}$ and
    $\mu = \pi$: the second online-IPO loss; with `mixture_share` 1, μ is Nash-MD's mixture (Nash-MD-PG).
    At the uniform policy the step is that of mirror descent. Source: `egpo`, baselines.
    """
    log_policy, log_reference, beta, step_size, share = floats(
        state.log_policy, log_reference, beta, step_size, mixture_share
    )
    xp = namespace(log_policy)
    opponent = log_policy + beside(share * beta * step_size) * (log_reference - log_policy)
    score = payoffs(log_softmax(opponent), 0) - beside(beta) * (log_policy - log_reference)
    policy = xp.exp(log_policy)
    centred = score - xp.sum(policy * score, axis=-1, keepdims=True)
    move = beside(step_size) * log_policy.shape[-1] * policy * centred
    return _next(state, log_policy + move, state.memory)


def momentum(
    state: State,
    payoffs: Payoffs,
    *,
    log_reference: Array,
    beta: Real,
    step_size: Real,
    extrapolation: Real = EXTRAPOLATION,
) -> State:
    r"""Accelerated preference optimisation: a proximal step from the extrapolated policy, then extrapolation again.

    $\hat\pi_+ \propto \pi\,e^{\eta P\pi}$, $\log\pi_+ = \log\hat\pi_+ + \alpha\,(\log\hat\pi_+ - \log\hat\pi)$; the
    memory holds $\log\hat\pi$, which is also the output. The reference moves with the policy; a positive `beta` adds a
    pull back to the fixed one. Source: `apo`, method (η is the inverse of its KL weight).
    """
    base, step = _anchored(state.log_policy, log_reference, beta, step_size)
    proximal = log_softmax(base + step * payoffs(state.log_policy, 0))
    share, _ = floats(extrapolation, step_size)
    return _next(state, proximal + beside(share) * (proximal - state.memory), proximal)


def proximal_point(
    state: State,
    payoffs: Payoffs,
    *,
    log_reference: Array,
    beta: Real,
    step_size: Real,
    temperature: Real = 0.1,
    inner_steps: int = 100,
) -> State:
    r"""Extragradient towards the equilibrium regularised by the method's own anchor, which then moves there (COMAL).

    Each step is one of extragradient for temperature τ and the anchor in the memory; after every `inner_steps` of them
    the anchor becomes the policy reached. `beta` and `log_reference` are not used: the limit is the equilibrium without
    regularisation. Source: `nash-background`, C8.
    """
    inner = extragradient(state, payoffs, log_reference=state.memory, beta=temperature, step_size=step_size)
    arrived = (inner.steps % inner_steps == 0)[..., None]
    xp = namespace(inner.log_policy)
    return inner._replace(memory=xp.where(arrived, inner.log_policy, state.memory))


@dataclass(frozen=True)
class Solver:
    """A row of the table: the step, what its memory holds at the start, queries a step, and where it goes.

    limit: "regularised" or "nash" (with β = 0 both are the same), or "biased": near the regularised equilibrium.
    """

    step: Step
    queries: int = 1
    memory: str = "policy"  # or "payoffs": zero payoffs at the start
    limit: str = "regularised"

    @property
    def name(self) -> str:
        return self.step.__name__

    def start(self, log_policy: Array) -> State:
        """The state before the first step from this policy."""
        (log_policy,) = floats(log_policy)
        nothing = namespace(log_policy).zeros_like(log_policy)
        return State(log_policy, nothing if self.memory == "payoffs" else log_policy, nothing[..., 0])


ROWS = (
    Solver(mirror_descent),
    Solver(extragradient, queries=2),
    Solver(optimistic, memory="payoffs"),
    Solver(nash_mirror_descent, limit="biased"),
    Solver(policy_gradient),
    Solver(momentum, limit="nash"),
    Solver(proximal_point, queries=2, limit="nash"),
)

SOLVERS: dict[str, Solver] = {row.name: row for row in ROWS}


def _next(state: State, logits: Array, memory: Array) -> State:
    return State(log_softmax(logits), memory, state.steps + 1.0)
