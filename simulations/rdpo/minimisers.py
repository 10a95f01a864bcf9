"""Small samples of log-linear pairs: when the robust estimate exists (`rdpo`, C9), and what brings it back."""

import math
from dataclasses import replace

import numpy as np
from scipy.optimize import minimize

from lab.arrays import Array, sigmoid
from lab.estimation.covariance import second_moment
from lab.estimation.existence import existence_in_table
from lab.estimation.fitting import fit
from lab.family import family, normal, uniform, world
from lab.inference.rounding import value
from lab.ledger.evidence import evidence
from lab.ledger.findings import at_most, below, equal, mean_at_least
from lab.objectives.existence import existence, slope_at_infinity
from lab.objectives.logistic import dpo_curvature, robust_dpo, robust_dpo_weight
from lab.objectives.noise import push
from lab.worlds.noisy_pairs import labelled_pairs
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


# ── The critical flip rate, from both sides: data sets of 48 pairs with three features ──

PAIRS, FEATURES = 48, 3
data = family(
    labelled_pairs, features=normal(1.0, shape=(PAIRS, FEATURES)), theta=normal(1.0, shape=(FEATURES,)),
    label_draw=uniform(0, 1, shape=(PAIRS,)), flip_draw=uniform(0, 1, shape=(PAIRS,)), flip_rate=uniform(0.1, 0.3),
)  # fmt: skip


def _existence(world):
    found = [existence(x, y) for x, y in zip(world.features, world.labels, strict=True)]
    return np.array([f.critical_flip_rate for f in found]), np.array([f.direction for f in found])


def _plain(world):
    """The same data without their rounding, for the searches that decide where to look."""
    return replace(world, features=value(world.features), labels=value(world.labels))


def _rate(critical, part):
    """A rate below the critical one (part < 1: that part of it) or above it (part > 1: on the way to a half)."""
    return critical * part if part < 1 else critical + (0.5 - critical) * (part - 1)


@evidence("rdpo/existence", kind="exact", over=data, size=64, rounding="declared")
def falls_above_the_critical_rate(world, part=1.1):
    """Above the linear program's rate, the loss falls for ever along the program's direction."""
    critical, direction = _existence(world)
    rate = _rate(critical, part)
    slope = slope_at_infinity(direction, world.features, world.labels, beta=1.0, flip_rate=rate)
    # Two sums of 48 × 3 products of numbers below 4: rounding is below 4 (48 + 3) u Σ|x| / (1 − 2ε) < 1e-11.
    return below(slope, 0.0, error=1e-11)


falls_above_the_critical_rate.control("below the critical rate it rises there", part=0.9)


@evidence("rdpo/existence", kind="exact", over=data, size=32)
def stationary_below_the_critical_rate(world, part=0.9):
    r"""Below it, a search arrives, and a certificate says that a minimiser is near.

    For losses with |f'''| ≤ f'' a Newton decrement λ with λR/√κ ≤ ½, R the longest feature vector and κ the least
    eigenvalue of the Hessian H, implies a minimiser (Bach 2010, Proposition 2). Since λ ≤ ‖gradient‖/√κ, and κ ≥
    4 det H/(tr H)² for three features (the other two eigenvalues multiply to (tr H/2)² at most), it is enough that
    ‖gradient‖·R·(tr H)² ≤ 2 det H. Where the search stopped decides nothing; this is computed there with its rounding.
    """
    plain = _plain(world)
    rate = _rate(_existence(plain)[0], part)
    rows = zip(plain.features, plain.labels, rate, strict=True)
    theta = np.stack([_search(y[:, None] * x, one) for x, y, one in rows])
    signed = world.labels[..., None] * world.features
    margins = np.sum(signed * theta[:, None, :], axis=-1)
    push_back = robust_dpo_weight(margins, beta=1.0, flip_rate=rate[:, None])
    gradient = np.mean(push_back[..., None] * signed, axis=1)
    hessian = second_moment(world.features, dpo_curvature(margins, beta=1.0) / PAIRS)
    length = np.sqrt(np.sum(gradient**2, axis=-1))
    longest = np.sqrt(np.max(np.sum(world.features**2, axis=-1), axis=-1))
    trace = hessian[:, 0, 0] + hessian[:, 1, 1] + hessian[:, 2, 2]
    return at_most(length * longest * trace**2, 2.0 * _determinant(hessian))


def _determinant(h):
    """Of symmetric 3 × 3 matrices."""
    (a, b, c), (d, e, f) = (h[:, 0, 0], h[:, 1, 1], h[:, 2, 2]), (h[:, 0, 1], h[:, 0, 2], h[:, 1, 2])
    return a * (b * c - f * f) - d * (d * c - f * e) + e * (d * f - b * e)


def _search(signed, rate):
    """Where a search for the minimum of the mean loss of pairs, turned towards their labels, stops."""

    def loss(theta):
        return np.mean(robust_dpo(signed @ theta, beta=1.0, flip_rate=rate))

    def gradient(theta):
        return -np.mean(robust_dpo_weight(signed @ theta, beta=1.0, flip_rate=rate)[:, None] * signed, axis=0)

    # The box only keeps a search that has no end from overflowing; whoever ends on its side has a gradient there.
    box, options = [(-100.0, 100.0)] * signed.shape[1], {"ftol": 0.0, "gtol": 1e-9}
    return minimize(loss, np.zeros(signed.shape[1]), jac=gradient, method="L-BFGS-B", bounds=box, options=options).x


stationary_below_the_critical_rate.control("above the critical rate there is no such point", part=1.1)


# ── A ridge ──


RIDGES = (1e-3, 1e-1, 10.0)


@evidence("rdpo/ridge-restores-minimiser", kind="exact", over=data, size=64)
def a_ridge_outweighs_the_fall(world, penalised=True):
    r"""At a rate above the critical one, far points are no better than 0 once λ/2‖θ‖² is added.

    Since the loss of a pair is at least −c|h|, its mean is at least −cRr at the distance r, R the longest feature
    vector; so it exceeds log 2, its value at 0, from r₀ = (cR + √(c²R² + 2λ log 2))/λ on, and a minimiser lies within.
    Points: r₀ and ten times r₀, along the axes and the direction in which the loss falls for ever.
    """
    critical, falling = _existence(_plain(world))
    rate = _rate(critical, 1.1)
    longest = np.sqrt(np.max(np.sum(world.features**2, axis=-1), axis=-1))
    fall = push(rate) * longest
    signed = world.labels[..., None] * world.features
    found = []
    for direction in (falling / np.linalg.norm(falling, axis=-1, keepdims=True), *np.eye(FEATURES), *-np.eye(FEATURES)):
        along = np.sum(signed * np.broadcast_to(direction, falling.shape)[:, None, :], axis=-1)
        for ridge in RIDGES:
            for times in (1.0, 10.0):
                far = times * (fall + np.sqrt(fall**2 + 2.0 * ridge * math.log(2))) / ridge
                loss = np.mean(robust_dpo(along * far[:, None], beta=1.0, flip_rate=rate[:, None]), axis=-1)
                found.append(at_most(math.log(2), loss + ridge / 2.0 * far**2 if penalised else loss))
    return tuple(found)


a_ridge_outweighs_the_fall.control("no ridge", penalised=False)
