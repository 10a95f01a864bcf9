r"""The floor that sampled gradients leave, from the game alone: a linear equation for the noise.

Near the equilibrium a step multiplies the error of the logits by J and adds noise with covariance Q, so that in the
long run its covariance solves $\Sigma = J\Sigma J^\top + Q$. With $S = \mathrm{diag}\,\pi^* - \pi^*\pi^{*\top}$ and
$K = \eta AS$, mirror descent has $J = a + K$, extragradient $J = a + K(a + K)$, $a = 1 - \eta\beta$. A step of SGD on
sampled triples adds noise with covariance

$$C = \frac{s^2}{n}\,4\,\mathbb{E}[c^2(e_y - e_{y'})(e_y - e_{y'})^\top],\qquad
\mathbb{E}[c^2 \mid y, y'] = \frac{1}{\beta^2}\mathrm{Var}_{y''}(P(y, y'') - P(y', y'')),$$

and extragradient $C + KCK^\top$, since its trial policy carries noise too. In the same order,
$\mathrm{KL}(\pi^*\|\pi) = \frac12\mathrm{tr}\,S\Sigma$ and
$\mathrm{DualGap}_\beta = \beta\,\mathrm{tr}\,SM\Sigma M^\top$ with $M = 1 - AS/\beta$.

Source: `egpo`, C4 (derived).
"""

from typing import NamedTuple

import numpy as np

from lab.games.conventions import step_from_sgd


class Floor(NamedTuple):
    """By game: mean of the regularised gap and of KL(π*‖π) in the long run, and the D of the noise bound."""

    gap: np.ndarray
    divergence: np.ndarray
    noise_power: np.ndarray


def judged_variance(advantage: np.ndarray, policy: np.ndarray) -> np.ndarray:
    """Variance over y″ ~ π of P(y, y″) − P(y′, y″), (games, actions, actions)."""
    lead = advantage[:, :, None, :] - advantage[:, None, :, :]
    mean = np.einsum("gijk,gk->gij", lead, policy)
    return np.einsum("gijk,gk->gij", lead * lead, policy) - mean * mean


def draw_noise(advantage: np.ndarray, policy: np.ndarray, *, beta: float) -> np.ndarray:
    """Covariance of the gradient on one triple at the equilibrium, (games, actions, actions)."""
    actions = advantage.shape[-1]
    variance = judged_variance(advantage, policy)
    # Each unordered pair is drawn in two orders; e_y − e_y′ puts its coefficient at both, with opposite signs.
    both = np.sum(variance, axis=-1, keepdims=True) * np.eye(actions) - variance
    return 8.0 / (actions * beta) ** 2 * both


def predicted(
    advantage: np.ndarray, log_equilibrium: np.ndarray, *, beta: float, rate: float, draws: int, trial: bool
) -> Floor:
    """The floor of extragradient (`trial`) or of mirror descent with SGD of this step on so many draws an update.

    D = E‖ξ₁ − ξ₂‖²_∞ of the payoffs' noise is bounded by the Euclidean norm: by N²/n times the mean of the variance.
    """
    actions = advantage.shape[-1]
    policy, eye = np.exp(log_equilibrium), np.eye(actions)
    step = float(step_from_sgd(rate, beta=beta, actions=actions))
    noise = rate**2 / draws * draw_noise(advantage, policy, beta=beta)
    spread = policy[:, :, None] * (eye - policy[:, None, :])
    # Logits matter up to a constant, and the noise has none: everything centred.
    centre = eye - 1.0 / actions
    turn = step * centre @ advantage @ spread
    keep = 1.0 - step * beta
    jacobian = keep * eye + (turn @ (keep * eye + turn) if trial else turn)
    if trial:
        noise = noise + turn @ noise @ np.swapaxes(turn, -1, -2)
    covariance = _stationary(centre @ jacobian @ centre, noise)
    response = eye - advantage @ spread / beta
    gap = beta * np.einsum("gij,gjk,gkl,gil->g", spread, response, covariance, response)
    divergence = np.einsum("gij,gji->g", spread, covariance) / 2
    power = actions**2 / draws * np.mean(judged_variance(advantage, policy), axis=(-2, -1))
    return Floor(gap, divergence, power)


def _stationary(jacobian: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Σ = JΣJᵀ + Q, as a linear system."""
    actions = noise.shape[-1]
    product = np.einsum("gij,gkl->gikjl", jacobian, jacobian).reshape(-1, actions**2, actions**2)
    solved = np.linalg.solve(np.eye(actions**2) - product, noise.reshape(-1, actions**2, 1))
    return solved.reshape(noise.shape)
