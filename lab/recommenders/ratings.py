r"""A made-up world of film ratings: what people would like and what they get to see are correlated, and both are known.

    rating     $\mathrm{clip}(3.2 + 0.9\langle u, i\rangle + 0.5 a_u + 0.5 b_i,\ 1,\ 5)$
    relevance  $\gamma = \sigma(\mathrm{rating} - 5) \le 1/2$
    exposure   $\theta = \sigma(-1.5 + 1.2 c_i + 0.4 d_u + 0.6\langle u, i\rangle)^p$

with standard normal effects and $\langle\cdot,\cdot\rangle$ half the inner product of rank 4. Larger powers $p$ make
exposure rarer and more uneven. It stands in for MovieLens on machines without the package (`mnar-clipped`, C7; the
design is ours).
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from lab.arrays import Array, Real, check_between, namespace, sigmoid
from lab.family import Family, family, normal, world


@world
class Ratings:
    """Relevance of every user–item pair, and its exposure at power 1; several worlds stand along leading axes."""

    relevance: Float[Array, "... users items"]
    exposure: Float[Array, "... users items"]

    def propensity(self, power: Real) -> Float[Array, "... users items"]:
        r"""$\theta$ = exposure to the power $p$; the power 0 shows everything to everyone.

        Raises ValueError for a negative power.
        """
        check_between(0.0, np.inf, power=power)
        return self.exposure**power


class Events(NamedTuple):
    """Relevance as drawn, and the number that a propensity must exceed for exposure: one draw for all powers."""

    relevant: Float[Array, "... users items"]
    chance: Float[Array, "... users items"]

    def click(self, propensity: Float[Array, "... users items"]) -> Float[Array, "... users items"]:
        r"""$Y = O R$, as 0.0 and 1.0, with $O = 1$ where the uniform number is below the propensity."""
        xp = namespace(propensity)
        return xp.where(self.chance < propensity, self.relevant, xp.zeros_like(self.relevant))


def rate(
    taste: Float[Array, "... users rank"],
    style: Float[Array, "... items rank"],
    liking: Float[Array, "... users"],
    quality: Float[Array, "... items"],
    activity: Float[Array, "... users"],
    fame: Float[Array, "... items"],
) -> Ratings:
    """The world that these effects of users (taste, liking, activity) and items (style, quality, fame) make."""
    xp = namespace(taste)
    match = taste @ xp.matrix_transpose(style) / 2
    rating = 3.2 + 0.9 * match + 0.5 * liking[..., :, None] + 0.5 * quality[..., None, :]
    shown = -1.5 + 1.2 * fame[..., None, :] + 0.4 * activity[..., :, None] + 0.6 * match
    return Ratings(sigmoid(xp.clip(rating, 1.0, 5.0) - 5.0), sigmoid(shown))


def ratings(users: int = 150, items: int = 150, *, rank: int = 4) -> Family:
    """The family of these worlds with standard normal effects."""
    return family(
        rate,
        taste=normal(shape=(users, rank)),
        style=normal(shape=(items, rank)),
        liking=normal(shape=(users,)),
        quality=normal(shape=(items,)),
        activity=normal(shape=(users,)),
        fame=normal(shape=(items,)),
    )


def draw_events(rng: np.random.Generator, relevance: Float[np.ndarray, "*shape"]) -> Events:
    """Draw relevance and the chances of exposure, independently of each other and over pairs."""
    relevant = rng.random(relevance.shape) < relevance
    return Events(relevant.astype(np.float64), rng.random(relevance.shape))
