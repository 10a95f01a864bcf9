r"""A tabular reasoning model: a finite trace, then an answer; preferences are over answers alone.

Prompts x share the parameters φ through design matrices, θ_x = A_x φ: the logits of R traces (trace 0 is empty) and of
K answers after each trace. Three losses of one pair y⁺ ≻ y⁻ are DPO losses whose log-ratios differ: of the marginal
answer policy (the ideal one, intractable in language models), of one sampled (trace, answer), of (no trace, answer).
Their gradients, and all moments of the two tractable ones around the ideal one, are exact by enumeration over the
prompt, a flip of the label and both traces. Runs on NumPy, JAX and error-tracking arrays; batches of worlds lead.

Source: `bvpo` (arXiv 2510.05095v1), setting and Equation 2; the tabular world is our design.
"""

from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from lab.arrays import Array, log_softmax, logsumexp, namespace, sigmoid
from lab.family import static, world
from lab.mixing.closed_form import Moments
from lab.objectives.logistic import conservative_dpo

TraceLaw = Literal["posterior", "posterior_without_empty", "prior"]
Given = Literal["pair", "nothing"]


class Outcomes(NamedTuple):
    """All that one draw of a pair and its traces can give: axes prompt, label (clean, flipped), trace of y⁺, of y⁻."""

    chance: Array  # (..., prompts, 2): probability of the prompt and the label
    law: Array  # (..., prompts, 1, R, R): probability of the two traces given the prompt
    trace: Array  # (..., prompts, 2, R, R, dim): gradient of the trace loss
    empty: Array  # (..., prompts, 2, dim): gradient of the empty-trace loss
    ideal: Array  # (..., prompts, 2, dim): gradient of the marginal loss of the pair


@world
class TraceWorld:
    """See the module. `design` is (..., prompts, R + R·K, dim); pairs are answers' numbers, (..., prompts)."""

    theta: Float[Array, "... dim"]
    reference: Float[Array, "... dim"]
    design: Float[Array, "... prompts logits dim"]
    preferred: Any
    rejected: Any
    preferred_empty: Any  # the pair of the empty-trace data set; the same pair where `same_pairs`
    rejected_empty: Any
    beta: Float[Array, "..."]
    flip_rate: Float[Array, "..."]
    traces: int = static()
    answers: int = static()
    trace_law: TraceLaw = static(default="posterior")
    same_pairs: bool = static(default=True)

    @property
    def prompts(self) -> int:
        return self.design.shape[-3]

    def log_policy(self, theta: Array) -> tuple[Array, Array]:
        r"""$\log\pi(r|x)$ (..., prompts, R) and $\log\pi(y|r,x)$ (..., prompts, R, K), in nats."""
        logits = namespace(theta, self.design).sum(self.design * theta[..., None, None, :], axis=-1)
        answers = logits[..., self.traces :]
        answers = answers.reshape((*answers.shape[:-1], self.traces, self.answers))
        return log_softmax(logits[..., : self.traces]), log_softmax(answers)

    def log_joint(self, theta: Array) -> Array:
        r"""$\log\pi(r, y|x)$, (..., prompts, R, K)."""
        log_trace, log_answer = self.log_policy(theta)
        return log_trace[..., None] + log_answer

    # Losses, as functions of the parameters: the gradients below are checked against their derivatives.

    def ideal_loss(self, theta: Array) -> Array:
        r"""$L_m$: DPO on the marginal answer policy, mean over prompts and labels. (...,)"""
        ratio = logsumexp(self.log_joint(theta), axis=-2) - logsumexp(self.log_joint(self.reference), axis=-2)
        return self._expected_loss(self._of(ratio, self.preferred) - self._of(ratio, self.rejected))

    def empty_loss(self, theta: Array) -> Array:
        r"""$L_e$: DPO on (no trace, answer), mean over prompts and labels. (...,)"""
        ratio = (self.log_joint(theta) - self.log_joint(self.reference))[..., 0, :]
        return self._expected_loss(self._of(ratio, self.preferred_empty) - self._of(ratio, self.rejected_empty))

    def trace_loss(self, theta: Array) -> Array:
        r"""$L_t$: DPO on (trace, answer), mean over prompts, labels and traces. (...,)"""
        ratio = self.log_joint(theta) - self.log_joint(self.reference)
        margin = self._of(ratio, self.preferred)[..., :, None] - self._of(ratio, self.rejected)[..., None, :]
        xp = namespace(margin)
        weight = self._law(self.preferred)[..., :, None] * self._law(self.rejected)[..., None, :]
        return xp.mean(xp.sum(weight * self._label_mean(margin), axis=(-2, -1)), axis=-1)

    def _expected_loss(self, margin: Array) -> Array:
        return namespace(margin).mean(self._label_mean(margin), axis=-1)

    def _label_mean(self, margin: Array) -> Array:
        """DPO averaged over the flip of the label, which is what smoothing at the same rate computes."""
        flip, beta = (x.reshape(x.shape + (1,) * (margin.ndim - x.ndim)) for x in (self.flip_rate, self.beta))
        return conservative_dpo(margin, beta=beta, flip_rate=flip)

    # Scores and gradients

    def scores(self, policy: tuple[Array, Array], answer: Any) -> Array:
        r"""$\nabla_\phi\log\pi(r, y_x|x)$ for every trace under a `log_policy`: (..., prompts, R, dim)."""
        log_trace, log_answer = policy
        xp = namespace(log_trace)
        own = np.eye(self.traces)
        of_trace = own - xp.exp(log_trace)[..., None, :]
        of_answer = own[:, :, None] * (self._one_hot(answer)[..., None, None, :] - xp.exp(log_answer)[..., None, :, :])
        of_answer = of_answer.reshape((*of_answer.shape[:-2], self.traces * self.answers))
        return xp.matmul(xp.concat([of_trace, of_answer], axis=-1), self.design)

    def _marginal_score(self, policy: tuple[Array, Array], answer: Any, scores: Array) -> Array:
        """Fisher's identity: the score of y is the mean of the joint scores under π(r|y, x). (..., prompts, dim)"""
        log_trace, log_answer = policy
        xp = namespace(log_trace)
        posterior = xp.exp(log_softmax(log_trace + self._of(log_answer, answer)))
        return xp.sum(posterior[..., None] * scores, axis=-2)

    def outcomes(self) -> Outcomes:
        """All outcomes of one draw, with their probabilities and gradients at `theta`."""
        xp = namespace(self.theta, self.design)
        policy, before = self.log_policy(self.theta), self.log_policy(self.reference)
        joint, joint_before = (log_trace[..., None] + log_answer for log_trace, log_answer in (policy, before))
        log_ratio = joint - joint_before
        marginal = logsumexp(joint, axis=-2) - logsumexp(joint_before, axis=-2)
        plus, minus = self.preferred, self.rejected
        up, down = self.scores(policy, plus), self.scores(policy, minus)

        margin = self._of(log_ratio, plus)[..., :, None] - self._of(log_ratio, minus)[..., None, :]
        trace = self._gradient(margin[..., None, :, :], up[..., :, None, :] - down[..., None, :, :])
        ideal = self._gradient(
            (self._of(marginal, plus) - self._of(marginal, minus))[..., None],
            self._marginal_score(policy, plus, up) - self._marginal_score(policy, minus, down),
        )
        plus_empty, minus_empty = self.preferred_empty, self.rejected_empty
        up_empty, down_empty = (
            (up, down) if self.same_pairs else (self.scores(policy, plus_empty), self.scores(policy, minus_empty))
        )
        no_trace = log_ratio[..., 0, :]
        empty = self._gradient(
            (self._of(no_trace, plus_empty) - self._of(no_trace, minus_empty))[..., None],
            (up_empty - down_empty)[..., 0, :],
        )
        labels = xp.stack([1.0 - self.flip_rate, self.flip_rate], axis=-1)[..., None, :] / self.prompts
        law = self._law(plus)[..., :, None] * self._law(minus)[..., None, :]
        return Outcomes(labels * np.ones((self.prompts, 1)), law[..., None, :, :], trace, empty, ideal)

    def _gradient(self, margin: Array, difference: Array) -> Array:
        """−β σ(−βh)(s⁺ − s⁻) of the clean pair and of the flipped one, along a new axis after the prompts."""
        xp = namespace(margin)
        sign = np.asarray([1.0, -1.0]).reshape((2,) + (1,) * (difference.ndim - self.beta.ndim - 2))
        beta = self.beta.reshape((*self.beta.shape, *[1] * (margin.ndim - self.beta.ndim)))
        slope = -sign * beta * sigmoid(-sign * beta * margin)
        return slope[..., None] * xp.expand_dims(difference, axis=self.beta.ndim + 1)

    def _law(self, answer: Any) -> Array:
        """Law of the trace that comes with an answer in the data, (..., prompts, R)."""
        log_trace, log_answer = self.log_policy(self.reference)
        xp = namespace(log_trace)
        log_weight = log_trace if self.trace_law == "prior" else log_trace + self._of(log_answer, answer)
        if self.trace_law == "posterior_without_empty":
            real = np.arange(self.traces) > 0
            return xp.where(real, xp.exp(log_weight - logsumexp(log_weight[..., 1:], keepdims=True)), 0.0 * log_weight)
        return xp.exp(log_softmax(log_weight))

    def _one_hot(self, answer: Any) -> Any:
        return (np.arange(self.answers) == answer[..., None]) * 1.0

    def _of(self, table: Array, answer: Any) -> Array:
        """The column of an answer: (..., prompts, R, K) or (..., prompts, K) without the last axis."""
        chosen = self._one_hot(answer)
        extra = table.ndim - chosen.ndim
        chosen = chosen.reshape((*chosen.shape[:-1], *[1] * extra, self.answers))
        return namespace(table).sum(table * chosen, axis=-1)

    # Moments

    def moments(self, *, given: Given, outcomes: Outcomes | None = None) -> tuple[Moments, Array]:
        """Moments of both estimators, and the target they are around.

        given="pair": only the traces are random; the target is the ideal gradient of that pair; leading axes
        (..., prompts, 2). given="nothing": prompt, label and traces are random; the target is the gradient of the
        expected ideal loss; leading axes (...).
        """
        out = outcomes or self.outcomes()
        xp = namespace(out.trace)
        if given == "pair":
            mean_trace = xp.sum(out.law[..., None] * out.trace, axis=(-3, -2))
            spread = out.trace - mean_trace[..., None, None, :]
            var_trace = xp.sum(out.law * xp.sum(spread * spread, axis=-1), axis=(-2, -1))
            none = xp.zeros_like(var_trace)
            return Moments(mean_trace - out.ideal, out.empty - out.ideal, var_trace, none, none), out.ideal
        chance = out.chance[..., None, None] * out.law
        mean_trace = xp.sum(chance[..., None] * out.trace, axis=(-5, -4, -3, -2))
        mean_empty = xp.sum(out.chance[..., None] * out.empty, axis=(-3, -2))
        target = xp.sum(out.chance[..., None] * out.ideal, axis=(-3, -2))
        trace = out.trace - mean_trace[..., None, None, None, None, :]
        empty = out.empty - mean_empty[..., None, None, :]
        every = (-4, -3, -2, -1)
        var_trace = xp.sum(chance * xp.sum(trace * trace, axis=-1), axis=every)
        var_empty = xp.sum(out.chance * xp.sum(empty * empty, axis=-1), axis=(-2, -1))
        cov = xp.sum(chance * xp.sum(trace * empty[..., None, None, :], axis=-1), axis=every)
        # Two data sets are sampled independently of each other.
        cov = cov if self.same_pairs else xp.zeros_like(cov)
        return Moments(mean_trace - target, mean_empty - target, var_trace, var_empty, cov), target

    def trace_noise(self) -> tuple[Array, Array]:
        r"""Parts of $\mathrm{Var}(g_t)$: $\mathbb{E}\,\mathrm{Var}(g_t|pair)$, $\mathrm{Var}\,\mathbb{E}(g_t|pair)$."""
        out = self.outcomes()
        xp = namespace(out.trace)
        per_pair, _ = self.moments(given="pair", outcomes=out)
        mean = per_pair.bias_trace + out.ideal
        spread = mean - xp.sum(out.chance[..., None] * mean, axis=(-3, -2), keepdims=True)
        between = xp.sum(out.chance * xp.sum(spread * spread, axis=-1), axis=(-2, -1))
        return xp.sum(out.chance * per_pair.var_trace, axis=(-2, -1)), between

    def sample(self, key: Any, draws: int) -> tuple[Array, Array]:
        """Trace and empty-trace gradients of independent draws, (draws, dim) each; for a single world, by JAX."""
        out = self.outcomes()
        chance = out.chance[..., None, None] * out.law
        dim = out.trace.shape[-1]
        at = _draw(key, chance.reshape(-1), draws)
        own = at // (self.traces * self.traces)
        # Two data sets are sampled independently of each other.
        pair = own if self.same_pairs else _draw(jax.random.fold_in(key, 1), out.chance.reshape(-1), draws)
        return out.trace.reshape(-1, dim)[at], out.empty.reshape(-1, dim)[pair]


@partial(jax.jit, static_argnames="draws")
def _draw(key: Any, chance: Array, draws: int) -> Array:
    """Positions with these probabilities, by inversion."""
    total = jnp.cumsum(chance)
    return jnp.searchsorted(total, jax.random.uniform(key, (draws,)) * total[-1], side="right")


def tabular_design(traces: int, answers: int) -> np.ndarray:
    """One prompt, one parameter a logit: (1, R + R·K, R + R·K)."""
    return np.eye(traces * (1 + answers))[None]


def token_design(length: int, answers: int, *, copies: bool = False) -> np.ndarray:
    """One prompt whose traces are all words of `length` binary tokens, beside the empty trace: (1, R + R·K, 3 + K).

    Parameters: the empty trace's logit, the two tokens' logits (a trace's logit is the sum over its tokens, so tokens
    are independent given that there is a trace), and K answer logits that every trace shares. With `copies` only the
    first token is free and the others repeat it.
    """
    free = 1 if copies else length
    words = (np.arange(2**free)[:, None] >> np.arange(free)) & 1
    ones = words.sum(axis=1) * (length // free)
    traces = 1 + 2**free
    design = np.zeros((traces * (1 + answers), 3 + answers))
    design[0, 0] = 1.0
    design[1:traces, 1] = length - ones
    design[1:traces, 2] = ones
    design[traces:, 3:] = np.tile(np.eye(answers), (traces, 1))
    return design[None]


def shared_worlds(
    reference: Any,
    direction: Any,
    drift: Any,
    design: Any,
    preferred: Any,
    step: Any,
    beta: Any,
    flip_rate: Any,
    *,
    traces: int,
    answers: int,
) -> TraceWorld:
    """Worlds for a family: θ = reference + drift · direction; the rejected answer is the preferred one plus `step`."""
    rejected = (preferred + step) % answers
    theta = reference + np.asarray(drift)[..., None] * direction
    return TraceWorld(
        theta, reference, design, preferred, rejected, preferred, rejected, beta, flip_rate,
        traces=traces, answers=answers,
    )  # fmt: skip
