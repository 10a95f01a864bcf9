"""The Open Bandit sample: impressions of a fashion shop, logged by two policies with known probabilities.

Three campaigns; for each 10,000 rows logged by the uniform policy and 10,000 by Bernoulli Thompson sampling (`bts`),
in the order of time. One row is one *exposed* item with the probability that the policy showed this item at this
position: exposure is known here, so the logs test inverse-propensity estimates, not the unobserved exposure of
implicit feedback.

Saito, Aihara, Matsutani, Narita (2020), arXiv:2008.07146; licence and changes: lab/data/open_bandit/LICENCE.md.
"""

from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float64, UInt8

from lab.datasets.source import Source

CAMPAIGNS = {"all": 80, "men": 34, "women": 46}
"""The campaigns and their numbers of items."""

TICK = 5e-6
"""Thompson sampling's propensities are frequencies in 200,000 simulations: multiples of this, but for five rows."""

OPEN_BANDIT = Source(
    name="Open Bandit sample",
    package="lab",
    path="data/open_bandit/logs.npz",
    install="pip install --force-reinstall --no-deps .  # in the project's folder",
    licence="CC BY 4.0, ZOZO, Inc.",
)


@dataclass(frozen=True)
class Log:
    """One campaign's impressions under one policy: item, position 1–3, click, and probability of the exposure."""

    items: int
    item: UInt8[np.ndarray, "rows"]
    position: UInt8[np.ndarray, "rows"]
    click: Bool[np.ndarray, "rows"]
    propensity: Float64[np.ndarray, "rows"]

    @property
    def uniform_weight(self) -> Float64[np.ndarray, "rows"]:
        r"""The weight $(1/K)/p$ that carries a row over to the uniform policy; its mean is 1 if $p$ is true."""
        return 1 / (self.items * self.propensity)


@cache
def open_bandit(campaign: str, policy: Literal["random", "bts"]) -> Log:
    """One log of the sample, read-only. Raises ValueError for an unknown campaign or policy."""
    if campaign not in CAMPAIGNS:
        raise ValueError(f"campaign = {campaign!r}: must be one of {', '.join(CAMPAIGNS)}")
    if policy not in ("random", "bts"):
        raise ValueError(f"policy = {policy!r}: must be random or bts")
    items = CAMPAIGNS[campaign]
    with np.load(OPEN_BANDIT.require(), allow_pickle=False) as arrays:
        item, position, click = (arrays[f"{campaign}.{policy}.{name}"] for name in ("item", "position", "click"))
        logged = policy == "bts"
        propensity = arrays[f"{campaign}.bts.propensity"] if logged else np.full(len(item), 1 / items)
    for column in (item, position, click, propensity):
        column.flags.writeable = False
    return Log(items, item, position, click, propensity)
