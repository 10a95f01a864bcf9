r"""A world with known relevance and exposure made from real ratings, as in the MNAR paper's semi-synthetic experiment.

    relevance  $\gamma = \sigma(\mathrm{clip}(\hat R, 1, 5) - 5)$, with $\hat R$ a factorisation of the ratings
    exposure   $\theta = \sigma(\hat O)^p$, with $\hat O$ a logistic factorisation of "rated or not" over all pairs

Both have 20 factors and no biases and see 300 batches of 256 (Adam, step size 0.01). `mnar-clipped`, Section 5.1.1 of
the paper and its authors' code; the batches are ours, so that γ and θ agree with the authors' in law, not in digits.
"""

import numpy as np
from jaxtyping import Float, Int

from lab.arrays import sigmoid
from lab.recommenders.factorisation import fit_observed, scores, start
from lab.recommenders.ratings import Ratings


def semi_synthetic(
    rng: np.random.Generator,
    user: Int[np.ndarray, "ratings"],
    item: Int[np.ndarray, "ratings"],
    rating: Float[np.ndarray, "ratings"],
    *,
    batches: int = 300,
    batch: int = 256,
    dim: int = 20,
) -> Ratings:
    """The world of these ratings (users and items numbered from 0). Raises ValueError for empty or mismatched logs."""
    if not len(user) == len(item) == len(rating) > 0:
        lengths = f"{len(user)}, {len(item)}, {len(rating)}"
        raise ValueError(f"user, item and rating must have one length and not be empty: {lengths}")
    users, items = int(np.max(user)) + 1, int(np.max(item)) + 1
    rated = np.zeros((users, items), np.float32)
    rated[user, item] = 1

    chosen = rng.integers(len(rating), size=(batches, batch))
    liked = fit_observed(
        start(rng, users, items, dim=dim, biased=False), user[chosen], item[chosen], rating[chosen].astype(np.float32),
        local="squared",
    )  # fmt: skip
    pair = rng.integers(users * items, size=(batches, batch))
    seen = fit_observed(
        start(rng, users, items, dim=dim, biased=False), pair // items, pair % items, rated.ravel()[pair], local="log"
    )
    rating_of = np.clip(np.asarray(scores(liked), np.float64), 1.0, 5.0)
    return Ratings(sigmoid(rating_of - 5.0), sigmoid(np.asarray(scores(seen), np.float64)))
