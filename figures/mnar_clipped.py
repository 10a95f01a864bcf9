"""Figures of `mnar-clipped`: the clip's trade-off, intervals to trust, popularity as propensity, and real data."""

import numpy as np

from figures.style import band, figure, measured, palette, panels, theory
from lab.inference.intervals import clopper_pearson

JUDGE = "anytime interval at error 2·10⁻⁷"


@figure
def clip_tradeoff(results):
    """Error against clip for several numbers of users, and what the best clip leaves of the unclipped error."""
    found = results["error_left_at_the_best_clip"]
    clip, errors, users = found.series["clip"], found.series["error"], found.series["users"]
    fig, (left, right) = panels(2)
    optima = zip(found.series["best_clip"], found.series["best_error"], strict=True)
    for index, (count, error, optimum) in enumerate(zip(users, errors, optima, strict=True)):
        theory(left, clip, error, index=index, label=f"{count:g} user{'s' if count > 1 else ''}")
        look = palette(index)
        left.plot(*optimum, marker=look["marker"], color=look["color"], linestyle="none")
    left.set(xscale="log", yscale="log", xlabel="clip M", ylabel="root mean squared error",
             title="one catalogue of 1000 items (marks: best clip)")  # fmt: skip
    left.legend(title="independent clicks of", loc="lower right")
    steps = results["gain_against_users"].series
    band(right, users, *found.series["claimed"], index=6, label="claimed")
    theory(right, users, found.series["best_error"] / errors[:, 0], index=6, label="the catalogue on the left, exact")
    measured(right, users, found.estimate, found.low, found.high, index=1,
             label=f"mean of {found.samples} catalogues,\n{JUDGE}")  # fmt: skip
    right.set(xscale="log", ylim=(0, 1.05), xlabel="users m", ylabel="error at the best clip / error without",
              title="the value of clipping vanishes")  # fmt: skip
    right.legend(loc="lower right")
    inset = right.inset_axes((0.55, 0.43, 0.42, 0.28))
    theory(inset, steps["users"], steps["gain_median"][-1] * steps["users"][-1] / steps["users"], index=6)
    look = palette(0)
    inset.plot(
        steps["users"][::4],
        steps["gain_median"][::4],
        marker=look["marker"],
        color=look["color"],
        linestyle="none",
        ms=3,
    )
    inset.set(xscale="log", yscale="log", ylim=(1e-8, 3))
    inset.set_title("share of MSE saved, and 1/m", fontsize=7)
    inset.tick_params(labelsize=6)
    return fig


@figure
def interval_coverage(results):
    """How often intervals around clipped estimates cover the true mean, and what they cover instead."""
    found = results["usual_interval_and_the_clipped_mean"]
    clip, logs = found.series["clip"], int(found.series["logs"])
    fig, ax = panels(1, width=5.4, height=3.4)
    ax.axhline(0.95, color="#888888", linewidth=1.0, label="nominal 0.95")
    for index, (name, label) in enumerate(
        (("covers_truth", "usual interval: the true mean"), ("covers_clipped_mean", "usual interval: the clipped mean"))
    ):
        share = found.series[name]
        interval = clopper_pearson(np.round(share * logs), logs, alpha=0.05)
        measured(ax, clip, share, *interval, index=1 - index, label=f"{label} (bars: exact, 95 %)")
    honest = results["betting_interval"]
    at = float(honest.series["clip"])
    measured(
        ax, [at], honest.estimate[1:], honest.low[1:], honest.high[1:], index=2,
        label=f"honest interval: the true mean\n(bar: {JUDGE})",
    )  # fmt: skip
    ax.set(xscale="log", ylim=(-0.03, 1.05), xlabel="clip M", ylabel="coverage", title="logs of 1000 rows, 20 items")
    ax.legend(loc="center left", bbox_to_anchor=(0.02, 0.52))
    return fig


@figure
def popularity_as_propensity(results):
    """How the spread of popularity propensities compares with the true one."""
    series = results["square_root_shrinks_the_spread"].series
    checked = results["square_root_shrinks_the_spread"]
    fig, ax = panels(1, width=5.0)
    ax.axhline(1.0, color="#888888", linewidth=1.0)
    ax.annotate(
        "right spread", (0.8, 1.0), xytext=(0, 3), textcoords="offset points", ha="right", fontsize=7, color="#666666"
    )
    for index, (power, slopes) in enumerate(zip(series["powers"], series["slopes"], strict=True)):
        theory(ax, series["correlations"], slopes, index=index, label=f"η = {power:g}")
    look = palette(6)
    ax.plot(
        [0.0], checked.estimate, marker=look["marker"], color=look["color"], linestyle="none", label="checked (η = 1/2)"
    )
    other = checked.controls["power 3/2 over-corrects"]
    ax.plot(
        [0.0],
        other.estimate,
        marker="o",
        color=look["color"],
        fillstyle="none",
        linestyle="none",
        label="its control (η = 3/2)",
    )
    ax.set(xlabel="correlation of log exposure and log relevance over items", ylabel="slope of log θ̂ on log θ",
           title="below 1: rare items get too little weight", ylim=(0, 1.9))  # fmt: skip
    ax.legend(loc="upper left", ncols=2)
    return fig


# ── learning and real data ──

CAMPAIGNS = ("all", "men", "women")
LOSSES = ("naive", "unbiased", "clipped")


@figure
def made_up_worlds(results):
    """Trained in made-up worlds: loss relative to the oracle's by exposure power, and what rare items gain."""
    found, parts = results["unbiased_wins"].series, results["rare_third_gains"].series
    fig, (left, right) = panels(2, height=3.3)
    for index, (name, label) in enumerate(
        (("naive", "naive"), ("unbiased", "unbiased"), ("clip 0.05", "clip 0.05"), ("clip 0.1", "clip 0.1"))
    ):
        points = (found[name + end] for end in ("", "_low", "_high"))
        measured(left, found["powers"] + 0.05 * (index - 1.5), *points, index=index, label=label)
    left.axhline(1.0, color="black", linewidth=1)
    left.set(yscale="log", xlabel="exposure power p", ylabel="expected log loss / oracle's",
             title=f"{found['worlds']:g} worlds: medians, exact 95 % intervals")  # fmt: skip
    left.set_yticks([1, 1.2, 1.5, 2, 3], ["1", "1.2", "1.5", "2", "3"])
    left.minorticks_off()
    left.legend()
    losses = ("unbiased", "clip 0.05", "ExpoMF")
    for index, label in enumerate(("rarest third", "commonest third")):
        points = 100 * np.stack([parts[name][index] for name in losses]).T
        measured(right, np.arange(3) + 0.12 * (index - 0.5), *points, index=4 + index, label=f"{label} of items")
    right.set_xticks(range(3), losses)
    right.set(xlim=(-0.5, 2.5), ylim=(0, 90), ylabel="% taken off the naive loss",
              title="power 2: medians, exact 95 % intervals")  # fmt: skip
    right.legend(loc="upper right", ncols=2)
    return fig


@figure
def open_bandit_clip(results):
    """The mean weight on real logs falls short of its known truth, 1, as the clip grows; so does its standard error."""
    found = results["mean_weight"].series
    fig, (left, right) = panels(2)
    clips = found["clips"]
    for index, campaign in enumerate(CAMPAIGNS):
        mean, low, high, error = (found[name][index] for name in ("mean", "mean_low", "mean_high", "standard_error"))
        shift = clips * 1.06 ** (index - 1)
        measured(left, shift, mean, low, high, index=index, label=campaign)
        look = palette(index)
        right.plot(clips, np.abs(1 - mean), color=look["color"], marker=look["marker"], linestyle="none")
        right.plot(clips, error, color=look["color"], linestyle="--")
    left.axhline(1.0, color="black", linewidth=1)
    left.annotate("known truth", (clips[-1], 1.0), xytext=(0, 3), textcoords="offset points", ha="right", fontsize=8)
    left.set(xscale="log", ylim=(0, 3), xlabel="clip M", ylabel="mean of (1/K)/max(p, M)",
             title="Open Bandit logs: mean weight, 95 % intervals")  # fmt: skip
    right.set(xscale="log", yscale="log", ylim=(1e-4, 10), xlabel="clip M", ylabel="error of the mean weight",
              title="bias grows, standard error falls")  # fmt: skip
    left.legend(loc="upper right", title="campaign")
    right.plot([], [], color="black", marker="o", linestyle="none", label="|mean − 1|")
    right.plot([], [], color="black", linestyle="--", label="standard error")
    right.legend(loc="upper left")
    return fig


@figure
def open_bandit_value(results):
    """The uniform policy's clicks: the rate that the logs give, and on which half of the items they fall."""
    table = results["uniform_value"].series["values"]
    fig, (left, right) = panels(2, height=3.4)
    names = ("its own log", "other log, no weights", "clip 0.001", "clip 0.01", "clip 0.1", "clip 0.001, honest")
    for index, name in enumerate(names):
        estimate, low, high = 1000 * table[:, index].T
        measured(left, np.arange(3) + 0.13 * (index - 2.5), estimate, low, high, index=index, label=name)
    left.set_xticks(range(3), CAMPAIGNS)
    left.set(yscale="log", ylim=(0.1, 3e4), xlabel="campaign", ylabel="clicks per 1000 impressions",
             title="uniform policy, 95 % intervals")  # fmt: skip
    left.legend(ncols=2, fontsize=7, loc="upper center")
    rows = ("its own log", "clip 0.001", "clip 1", "no weights")
    for index, (place, point) in enumerate(
        zip((0, 2, 6, 1), results["where_clicks_fall"].series["share"], strict=True)
    ):
        measured(right, [index], *([x] for x in 100 * point), index=place)
    right.set_xticks(range(4), rows)
    right.set(xlim=(-0.5, 3.5), ylim=(0, 100), ylabel="% of the uniform policy's clicks",
              title="on the half shown less, 99.9 % intervals")  # fmt: skip
    return fig


@figure
def movielens(results):
    """Trained on MovieLens by the paper's protocol: loss and ranking relative to the oracle, and the published loss."""
    wanted = ("people_gain", "rare_ranking", "rare_gain")
    if not all(name in results for name in wanted):
        fig, ax = panels(1)
        ax.set_axis_off()
        ax.text(0.5, 0.5, "MovieLens-100K was not installed for this run", ha="center")
        return fig
    loss, rank, parts = (results[name].series for name in wanted)
    fig, axes = panels(3, width=3.8, height=3.3)
    for index, name in enumerate(LOSSES):
        label = "clipped at 0.01" if name == "clipped" else name
        measured(
            axes[0], loss["powers"], *(loss[name + end] for end in ("", "_low", "_high")), index=index, label=label
        )
    for index, name in enumerate(LOSSES[:2]):
        theory(
            axes[0], loss["published_powers"], loss[f"published_{name}"], index=index, label=f"{name}, published plot"
        )
        for ax, table, several in (
            (axes[1], rank, ("dcg", "rare_dcg")),
            (axes[2], parts, ("common_loss", "rare_loss")),
        ):
            for place, part in enumerate(several):
                points = (table[f"{part}_{name}{end}"] for end in ("", "_low", "_high"))
                label = f"{name}, {('all films', 'common third')[ax is axes[2]] if place == 0 else 'rare third'}"
                measured(ax, table["powers"] + 0.1 * place, *points, index=index, label=label,
                         markerfacecolor="white" if place else None)  # fmt: skip
    titles = "expected log loss", "DCG@10", "log loss by exposure of the film"
    for ax, title in zip(axes, titles, strict=True):
        ax.axhline(1.0, color="black", linewidth=1)
        ax.set(xlabel="exposure power p", ylabel="relative to the oracle", title=f"{title} (bars: 95 %)")
        ax.legend(fontsize=6.5)
    axes[0].set_ylim(0.95, 1.75)
    axes[1].set_ylim(0.7, 1.04)
    axes[2].set_ylim(0.9, 2.1)
    return fig
