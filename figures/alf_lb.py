"""ALF-LB: one batch under four rules, regret of seven policies, drift, update rates and rules, noise floor, loss."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from figures.style import PALETTE, figure, measured, palette, panels, theory


def course(ax: Any, x: Any, y: Any, index: int, label: str) -> None:
    """A run of the procedure: a line with sparse marks."""
    ax.plot(x, y, **palette(index), markevery=max(len(x) // 8, 1), label=label)


@figure
def one_batch(results: dict[str, Any]) -> Figure:
    """The Lagrangian above the linear program's value, and the largest load, along 1,000 updates of one batch."""
    series = results["course_of_the_lagrangian"].series
    fig, (left, right) = panels(2)
    for i, name in enumerate(series["names"]):
        share = 100 * series["rising"][i]
        course(left, series["step"], np.maximum(series["gap"][i], 1e-3), i, f"{name}: rises in {share:.0f} % of steps")
        course(right, series["step"], np.maximum(series["imbalance"][i], 1e-3), i, name)
    left.set(
        xscale="log", yscale="log", xlabel="update n", ylabel="$D(p_n)$ − optimum, units of score", ylim=(1e-2, 2e3)
    )
    right.set(xscale="log", yscale="log", xlabel="update n", ylabel=r"$\max_k A_k/L - 1$", ylim=(5e-3, 3))
    fig.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return fig


@figure
def regret(results: dict[str, Any]) -> Figure:
    """Mean cumulative regret of seven policies on one stream, with the growth that theory gives three of them."""
    series = results["seven_policies_on_one_stream"].series
    step, total, settled = series["step"], series["regret"], series["settled"]
    fig, ax = panels(1, width=6.0, height=4.0)
    for i, name in enumerate(series["names"]):
        course(ax, step, total[i], i, name)
    known = np.flatnonzero(np.all(np.isfinite(series["growth"]), axis=-1))
    for i in known:
        growth = np.interp(settled[0], step, total[i]) + series["growth"][i]
        label = "theory: growth from n = 100" if i == known[0] else None
        ax.plot(settled, growth, color=PALETTE[6], linewidth=3.5, alpha=0.25, label=label, zorder=0)
    ax.set(xscale="log", yscale="log", xlabel="batches n", ylabel="cumulative regret, units of score")
    fig.legend(loc="outside right upper")
    return fig


@figure
def drift(results: dict[str, Any]) -> Figure:
    """MaxVio along a stream whose means swing, and along the same stream without drift, with the noise floor."""
    found = results["late_imbalance_under_drift"]
    (still,) = found.controls.values()
    fig, axes = panels(2)
    for ax, series, title in zip(
        axes, (still.series, found.series), ("without drift", "means swing by ±0.25"), strict=True
    ):
        for i, name in enumerate(series["names"]):
            course(ax, series["step"], series["violation"][i], i, name)
        ax.axhline(float(series["floor"]), color=PALETTE[6], linestyle=":", label="noise floor")
        ax.set(xlabel="batch", ylabel="MaxVio, mean of 50 batches", title=title, ylim=(0, 1.0))
    axes[0].legend(loc="upper right")
    return fig


@figure
def update_rate(results: dict[str, Any]) -> Figure:
    """Start-up against fluctuation: mean MaxVio of a run and of its end, against the rate of the sign rule."""
    found = results["imbalance_by_rate"]
    series = found.series
    fig, ax = panels(1, width=4.8)
    course(ax, series["rates"], series["whole"], 0, "all 1,000 batches")
    course(ax, series["rates"], series["late"], 1, "the last 200")
    ax.axhline(float(series["floor"]), color=PALETTE[6], linestyle=":", label="noise floor")
    ax.axvline(series["slow"], color=PALETTE[2], linestyle="-.", label="max|p*|/u = 1,000 batches")
    ax.set(xscale="log", xlabel="update rate u, units of score", ylabel="mean MaxVio", ylim=(0, 1.0))
    ax.legend(loc="upper center")
    return fig


@figure
def update_rules(results: dict[str, Any]) -> Figure:
    """Global MaxVio of the biases after 1,000 large batches against the rate: sign and proportional rule, with the
    closed forms of what a constant rate leaves; left of the dips the run was too short."""
    series = results["proportional_against_sign_at_the_best_rates"].series
    fig, ax = panels(1, width=5.2)
    split = len(series["sign_rates"])
    rules = (
        ("sign_rates", "sign_theory", slice(0, split), r"sign, $p + u\,\mathrm{sign}(L - A)$"),
        ("proportional_rates", "proportional_theory", slice(split, None), r"proportional, $p + u(1 - A/L)$"),
    )
    for i, (rates, law, part, name) in enumerate(rules):
        middle, low, high = (series[x][part] for x in ("median", "median_low", "median_high"))
        theory(ax, series[rates], series[law], index=i, label="theory: small constant rate" if i == 0 else None)
        measured(ax, series[rates], middle, low, high, index=i, label=name)
    ax.set(xscale="log", yscale="log", xlabel="rate u", ylabel="global MaxVio after 1,000 batches")
    ax.legend(loc="upper right")
    return fig


@figure
def noise_floor(results: dict[str, Any]) -> Figure:
    """MaxVio of a batch against its tokens at perfect expected balance, and with a systematic imbalance."""
    found = results["imbalance_by_batch"]
    (leaning,) = found.controls.values()
    tokens = found.series["sizes"]
    fig, ax = panels(1, width=4.8)
    theory(ax, tokens, found.series["floor"], label="noise floor")
    theory(ax, tokens, found.series["upper"], index=2, label=r"$\sqrt{2\,\ln E\,(1 - K/E)/L}$")
    for i, (result, name) in enumerate(((found, "balanced in expectation"), (leaning, "experts lean apart by ±0.1"))):
        series = result.series
        measured(ax, tokens, series["median"], series["median_low"], series["median_high"], index=i, label=name)
    ax.set(xscale="log", yscale="log", xlabel="tokens in a batch (16 experts, top-2)", ylabel="MaxVio")
    ax.set_xticks(tokens, [f"{int(t):,}" for t in tokens])
    ax.minorticks_off()
    ax.set_yticks([0.1, 0.2, 0.5, 1.0], ["0.1", "0.2", "0.5", "1"])
    ax.legend(loc="lower left")
    return fig


@figure
def trade_off(results: dict[str, Any]) -> Figure:
    """Task objective against imbalance of trained routers: seven coefficients of the loss, three rates of biases."""
    series = results["biases_against_the_auxiliary_loss"].series
    coefficients, rates = series["coefficients"], series["rates"]
    split = len(coefficients)
    fig, ax = panels(1, width=4.8)
    x, y = series["violation"], series["objective"]
    ax.plot(x[:split], y[:split], **palette(0), label="auxiliary loss, coefficient α")
    ax.plot(x[split:], y[split:], **palette(1), label="biases, rate u")
    for i, coefficient in enumerate(coefficients):
        if coefficient in (0.0, 0.3, 1.0, 3.0):
            ax.annotate(f"{coefficient:g}", (x[i], y[i]), xytext=(6, -10), textcoords="offset points")
    for i, rate in enumerate(rates):
        ax.annotate(
            f"{rate:g}", (x[split + i], y[split + i]), xytext=(-6, 8 - 22 * (i % 2)), textcoords="offset points"
        )
    ax.set(xlabel="MaxVio of the trained router", ylabel="task objective", xlim=(0, None))
    ax.legend(loc="lower right")
    return fig
