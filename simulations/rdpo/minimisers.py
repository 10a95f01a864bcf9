"""Small samples of log-linear pairs: when the robust estimate exists (`rdpo`, C9), and what brings it back."""

import numpy as np

from lab.arrays import Array, sigmoid
from lab.estimation.existence import existence_in_table
from lab.estimation.fitting import fit
from lab.ledger.evidence import evidence
from lab.ledger.findings import equal, mean_at_least
from lab.objectives.logistic import robust_dpo
from lab.worlds.family import family, normal, uniform, world
from simulations.rdpo.setting import estimate, log_linear_world, with_rate

FAR = 1e3  # an estimate that has not settled within this distance of the reference is taken to have run away
CORNERS = ((100, 0.1), (100, 0.3), (1_000, 0.3), (1_000, 0.4), (16_000, 0.4))  # pairs and flip rate


@world
class SmallSample:
    """Twenty pairs with labels by Bradley–Terry, and a flip rate that the loss assumes."""

    features: Array
    theta: Array
    luck: Array
    flip_rate: Array

    @property
    def won(self):
        margins = np.sum(self.features * self.theta[..., None, :], axis=-1)
        return (self.luck < sigmoid(margins)).astype(float)


samples = family(
    SmallSample,
    features=normal(shape=(20, 3)),
    theta=normal(shape=(3,)),
    luck=uniform(0.0, 1.0, shape=(20,)),
    flip_rate=uniform(0.0, 0.45),
)


@evidence("rdpo/minimiser-criterion", kind="exact", over=samples, rounding="declared", size=96)
def criterion_against_optimiser(sample, separability=False):
    """The linear program's critical rate says for each sample whether Newton's method finds a stationary point."""
    won = sample.won
    fitted = fit(
        robust_dpo, sample.features, won, 1.0 - won, radius=FAR, beta=1.0, flip_rate=sample.flip_rate, steps=200
    )
    found = np.asarray(fitted.converged) & (np.linalg.norm(fitted.theta, axis=-1) < 0.99 * FAR)
    critical = np.array(
        [existence_in_table(x, w, 1.0 - w).critical_flip_rate for x, w in zip(sample.features, won, strict=True)]
    )
    exists = critical > (1e-9 if separability else sample.flip_rate)
    # Truth values, compared as they are: a single sample that disagrees fails the claim.
    return equal(exists.astype(float), found.astype(float), error=0.0, series={"critical": np.sort(critical)})


criterion_against_optimiser.control("the plain loss's criterion: no separating direction", separability=True)


def _settled(base, draw, corners, radius):
    """Estimates and whether they settled within 40 Newton steps, (data sets, corners)."""
    rng = draw.rng
    drawn = [with_rate(base, rate).sample_counts(rng, size, draw.size) for size, rate in corners]
    won, lost = (np.stack([table[side] for table in drawn], axis=1) for side in (0, 1))
    rates = np.array([rate for _, rate in corners])
    return estimate(robust_dpo, base.pair_features, won, lost, flip_rate=rates, radius=radius, steps=40)


@evidence("rdpo/minimiser-always-exists", kind="sampled", over=log_linear_world(0.0), size=200)
def stationary_point_found(base, draw, corners=CORNERS):
    """Data sets on which the robust loss has a stationary point; claimed: 95 of 100, at every size and rate."""
    theta, converged = _settled(base, draw, corners, FAR)
    values = (converged & (np.linalg.norm(theta, axis=-1) < 0.99 * FAR)).astype(float)
    series = {"size": np.array([n for n, _ in corners]), "rate": np.array([r for _, r in corners])}
    return mean_at_least(values, np.full(len(corners), 0.95), low=0.0, high=1.0, series=series)


stationary_point_found.control("many pairs", corners=((16_000, 0.1), (16_000, 0.3), (16_000, 0.4)))


@evidence("rdpo/ball-restores-minimiser", kind="sampled", over=log_linear_world(0.0), size=200)
def constrained_fit_settles(base, draw, radius=5.0):
    """In a ball of radius 5 (the truth lies at 1.5) every fit settles at a minimiser no further than that."""
    theta, converged = _settled(base, draw, CORNERS, radius)
    inside = np.linalg.norm(theta, axis=-1) <= 5.0 * (1 + 1e-9)
    return mean_at_least((converged & inside).astype(float), np.full(len(CORNERS), 0.95), low=0.0, high=1.0)


constrained_fit_settles.control("a ball so large that it does not bind", radius=FAR)
