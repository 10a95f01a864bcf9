"""MovieLens-100K: 100,000 ratings from 1 to 5 that 943 people gave to 1,682 films.

GroupLens allows research use and no redistribution, so the file is read from the installed recbole wheel (which is
never imported, and whose own dependencies are not needed). Harper and Konstan (2015).
"""

from functools import cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from lab.datasets.source import Source

USERS, FILMS = 943, 1682

MOVIELENS = Source(
    name="MovieLens-100K",
    package="recbole",
    path="dataset_example/ml-100k/ml-100k.inter",
    install="pip install --no-deps recbole==1.2.1",
    licence="GroupLens: research use, no redistribution",
)


class Ratings(NamedTuple):
    """One entry a rating: user 0…942, film 0…1681, rating 1…5."""

    user: Int64[np.ndarray, "ratings"]
    film: Int64[np.ndarray, "ratings"]
    rating: Float64[np.ndarray, "ratings"]


@cache
def movielens() -> Ratings:
    """All ratings in the file's order, read-only. Raises DataMissing with the command that installs the package."""
    path = MOVIELENS.require()
    with path.open() as lines:
        header = [name.split(":")[0] for name in next(lines).split()]
        table = np.loadtxt(lines, dtype=np.int64, delimiter="\t")
    if header[:3] != ["user_id", "item_id", "rating"] or table.shape != (100_000, 4):
        raise ValueError(f"{path} is not the MovieLens-100K table of recbole 1.2.1")
    user, film, rating = table[:, 0] - 1, table[:, 1] - 1, table[:, 2].astype(np.float64)
    for column in (user, film, rating):
        column.flags.writeable = False
    return Ratings(user, film, rating)
