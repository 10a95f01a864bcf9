r"""Games whose unregularised equilibrium is known exactly and plays every action: the world of exact checks at β = 0.

A skew matrix S becomes one with $A\pi^* = 0$ by taking off its leads at π*: $A = S - v\mathbf 1^\top + \mathbf 1v^\top$
with $v = S\pi^*$; since $\pi^{*\top}v = 0$, indeed $A\pi^* = v - v + 0$. If $|S| \le \frac16$ then $|A| \le \frac12$.
Source: `nash-background`, C1 (the construction is ours).
"""

from typing import Any

from jaxtyping import Float

from lab.arrays import Array, floats
from lab.family import world
from lab.games import gaps
from lab.games.game import KnownEquilibrium, PreferenceGame, skew

TILT = 1 / 6  # the largest entry of S that keeps every win rate in [0, 1]


@world
class InteriorGame(KnownEquilibrium):
    """A skew matrix with entries in ±1/6, the equilibrium with full support that it is bent to, and a start."""

    tilt: Float[Array, "*games actions actions"]
    equilibrium_logits: Float[Array, "*games actions"]
    start_logits: Float[Array, "*games actions"]

    @property
    def advantage(self) -> Float[Array, "... actions actions"]:
        return with_equilibrium(self.tilt, self.log_equilibrium)

    @property
    def game(self) -> PreferenceGame:
        """Without regularisation (β = 0); the start stands for the reference."""
        return PreferenceGame(self.advantage, self.log_start, 0.0 * self.tilt[..., 0, 0])


def with_equilibrium(
    tilt: Float[Array, "... actions actions"], log_equilibrium: Float[Array, "... actions"]
) -> Float[Array, "... actions actions"]:
    r"""$A = S - v\mathbf 1^\top + \mathbf 1v^\top$, $v = S\pi^*$: $A\pi^* = 0$, and exactly skew-symmetric if S is."""
    tilt, log_equilibrium = floats(tilt, log_equilibrium)
    leads = gaps.lead(tilt, log_equilibrium)
    return tilt - (leads[..., :, None] - leads[..., None, :])


def interior_games(tilts: Any, equilibrium_logits: Any, start_logits: Any) -> InteriorGame:
    """Games for a family, from the entries of S above the diagonal."""
    return InteriorGame(skew(tilts, equilibrium_logits.shape[-1]), equilibrium_logits, start_logits)
