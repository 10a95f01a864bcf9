"""Propensities taken from popularity: when they are right, and what they do when they are not (C8)."""

import numpy as np

from lab.family import family, normal
from lab.inference.rounding import rounded, value
from lab.ledger.evidence import evidence
from lab.ledger.findings import at_most, below, equal
from lab.recommenders.exposure import Exposure
from lab.recommenders.losses import unbiased
from lab.recommenders.moments import misspecified_bias
from lab.recommenders.propensity import clip_propensity, popularity_propensity
from simulations.mnar_clipped.worlds import WORLDS, dependent, expected_loss, ideal_loss, independent

CLIP = 0.00914  # the one tuned for Yahoo! R3
ITEMS = 50
POWERS = (0.25, 0.5, 1.0)
CORRELATIONS = (-0.8, 0.0, 0.8)
SPREADS = 0.8, 0.4  # standard deviations of log θ and of log γ


def correlated_items(exposure: np.ndarray, taste: np.ndarray, correlation: float) -> Exposure:
    """Items whose log-propensities and log-relevances have exactly this correlation, from standard normal draws.

    Both are shifted so that the most exposed item has propensity 0.95 and the most relevant one relevance 0.9.
    """
    along = _standardised(exposure)
    across = _standardised(taste - (taste * along).mean(axis=-1, keepdims=True) * along)
    log_propensity = SPREADS[0] * along
    log_relevance = SPREADS[1] * (correlation * along + np.sqrt(1.0 - correlation**2) * across)
    propensity = 0.95 * np.exp(log_propensity - log_propensity.max(axis=-1, keepdims=True))
    relevance = 0.9 * np.exp(log_relevance - log_relevance.max(axis=-1, keepdims=True))
    return Exposure(propensity, relevance, logit=np.zeros_like(propensity))


def _standardised(x: np.ndarray) -> np.ndarray:
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True))


_draws = {"exposure": normal(shape=(ITEMS,)), "taste": normal(shape=(ITEMS,))}
negative, unrelated, positive = (family(correlated_items, correlation=rho, **_draws) for rho in CORRELATIONS)


def tied_items(exposure: np.ndarray, taste: np.ndarray) -> Exposure:
    """As above, and users who would like an item are also shown it more often."""
    world = correlated_items(exposure, taste, 0.8)
    return Exposure(world.propensity, world.relevance, world.logit, association=0.5)


tied = family(tied_items, **_draws)


def matched_items(exposure: np.ndarray) -> Exposure:
    """Relevance proportional to propensity: what the square root of popularity assumes."""
    propensity = 0.95 * np.exp(SPREADS[0] * (exposure - exposure.max(axis=-1, keepdims=True)))
    return Exposure(propensity, 0.9 * propensity, logit=np.zeros_like(propensity))


matched = family(matched_items, exposure=_draws["exposure"])


@evidence("mnar-clipped/popularity-exact-when-matched", kind="exact", over=unrelated, size=WORLDS)
def proxy_of_matched_relevance(world: Exposure, mismatch=0.0):
    """Set γ ∝ θ^(1/η − 1), form the expected clicks, and compare θ̂/θ across items, for three powers."""
    found = []
    for power in POWERS:
        relevance = 0.9 * world.propensity ** (1.0 / power - 1.0) * world.relevance**mismatch
        ratio = popularity_propensity(world.propensity * relevance, power=power) / world.propensity
        found.append(equal(ratio, ratio[..., :1]))
    return tuple(found)


proxy_of_matched_relevance.control("relevance also varies on its own", mismatch=1.0)


@evidence("mnar-clipped/popularity-square-root", kind="exact", over=unrelated, size=WORLDS)
def square_root_of_popularity(world: Exposure, power=0.5):
    """Expected clicks to the power one half, against the true propensities: the ratio should be the same for all
    items."""
    ratio = popularity_propensity(world.click_probability, power=power) / world.propensity
    return equal(ratio, ratio[..., :1])


square_root_of_popularity.control("relevance is proportional to propensity", over=matched)


def _slope(x, y):
    centred = x - x.mean(axis=-1)[..., None]
    return (centred * y).sum(axis=-1) / (centred**2).sum(axis=-1)


@evidence("mnar-clipped/popularity-spread", kind="exact", over=positive, size=WORLDS)
def spread_of_the_proxy(world: Exposure):
    """Least-squares slope of log θ̂ on log θ, against η times one plus the slope of log γ on log θ."""
    log_propensity, log_relevance = (np.log(x) for x in (world.propensity, world.relevance))
    found = []
    for power in POWERS:
        proxy = popularity_propensity(world.click_probability, power=power)
        slope = _slope(log_propensity, np.log(proxy))
        found.append(equal(slope, power * (1.0 + _slope(log_propensity, log_relevance))))
    return tuple(found)


spread_of_the_proxy.control("exposure and relevance also depend on each other within an item", over=tied)


@evidence("mnar-clipped/popularity-under-corrects", kind="exact", over=unrelated, size=WORLDS)
def square_root_shrinks_the_spread(world: Exposure, power=0.5):
    """With relevance unrelated to exposure, log θ̂ varies less with log θ than one to one."""
    proxy = popularity_propensity(world.click_probability, power=power)
    slope = _slope(np.log(world.propensity), np.log(proxy))
    theory = [[eta * (1.0 + rho * SPREADS[1] / SPREADS[0]) for rho in CORRELATIONS] for eta in POWERS]
    return below(
        slope, 1.0,
        series={"powers": np.array(POWERS), "correlations": np.array(CORRELATIONS), "slopes": np.array(theory)},
    )  # fmt: skip


square_root_shrinks_the_spread.control("power 3/2 over-corrects", power=1.5)


@evidence("mnar-clipped/popularity-bias", kind="exact", over=independent, size=WORLDS)
def bias_under_the_proxy(world: Exposure):
    """The bias of the loss under popularity propensities, over all click patterns, for three powers."""
    found = []
    for power in POWERS:
        proxy = popularity_propensity(world.click_probability, power=power)
        expected = expected_loss(world, lambda clicks, proxy=proxy: unbiased(clicks, world.per_pattern(proxy)))
        formula = misspecified_bias(world.relevance, world.propensity, proxy, world.losses().difference)
        found.append(equal(expected - ideal_loss(world), formula))
    return tuple(found)


bias_under_the_proxy.control("exposure and relevance depend on each other", over=dependent)


@evidence("mnar-clipped/tuned-clip-inactive", kind="exact", rounding="declared")
def published_clip_against_the_least_popular(most_clicks=11_970):
    """The least propensity there can be is that of an item with one click: compare it with the tuned clip."""
    most = np.arange(1.0, most_clicks + 1.0)
    counts = np.stack([np.ones_like(most), most], axis=-1)
    least = popularity_propensity(counts, power=0.5)[..., 0]
    return at_most(CLIP, least, error=4e-16 * least)


published_clip_against_the_least_popular.control("a song with 15,400 positives: all users", most_clicks=15_400)


@evidence("mnar-clipped/integer-cast-undoes-the-weights", kind="exact", over=unrelated, size=WORLDS)
def weights_of_cast_propensities(world: Exposure, cast=True):
    """Popularity propensities cast to integers are 1 for the top item and 0 for all others; then they are clipped.

    A 0 stands for whatever lies below the clip: the least positive number takes its place.
    """
    proxy = popularity_propensity(world.click_probability, power=0.5)
    top = value(proxy) == 1.0
    assumed = np.where(top, 1.0, np.nextafter(0.0, 1.0)) if cast else proxy
    used = clip_propensity(assumed, clip=CLIP)
    weight = rounded(1.0) / used
    bias = misspecified_bias(world.relevance, world.propensity, used, world.losses().difference)
    target = np.where(top, 1.0, 1.0 / CLIP) * world.click_probability
    wanted = ((target - world.relevance) * world.losses().difference).mean(axis=-1)
    return equal(weight, np.where(top, 1.0, 1.0 / CLIP)), equal(bias, wanted)


weights_of_cast_propensities.control("the propensities are kept as they are", cast=False)
