"""Preference games: the published protocol against its authors' simulator, equilibria against open_spiel, large games.

    python -m benchmarks.games                                  ours alone
    EGPO=FOLDER PYTHONPATH=PEERS python -m benchmarks.games     with both peers

FOLDER is the `simulations` folder of github.com/zhourunlong/EGPO at f295bf3; PEERS holds open_spiel 2.0.2 and ecos
(`pip install --no-deps --target PEERS open_spiel==2.0.2 ecos absl-py ml_collections pyyaml`).

Both peers get the same games, in the same process, with one thread. The authors' loop is theirs, with its gap at every
update, in their float32; ours is `play_many` in float64. Their cost a step does not depend on β: the setting β = 0.1 is
run in full on both sides, and the whole protocol, 106,000 steps of five methods, on ours. The sampled simulations run
in full on our side; the authors' times are extrapolated from a few updates. open_spiel's magnetic mirror
descent has no reference but the uniform policy: its solution is compared with our regularised equilibrium at β = α.
"""

import copy
import importlib
import os
import sys
import types
import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import simulations  # noqa: F401  (float64 in JAX)
from benchmarks.record import median_seconds, peak_memory_mib, record
from lab.games import game, gaps
from lab.games.equilibria import nash_equilibrium, regularised_equilibrium
from lab.games.play import play
from lab.games.protocol import METHODS, PUBLISHED, play_many
from lab.games.sampled_losses import NAMES
from lab.games.sampled_protocol import GROUP, race
from lab.games.solvers import SOLVERS
from simulations.egpo import neural, sampled, sampled_networks
from simulations.egpo.worlds import authors_games

GAMES, ACTIONS = 10, 10
FEW = 300  # updates of the peer's sampled simulations
LARGE = {"games": 1000, "actions": 100, "steps": 1000}
THEIRS = {  # their name for each of our methods
    "extragradient": "EGPO",
    "mirror_descent": "Online IPO 1 (OMD)",
    "nash_mirror_descent": "Nash-MD",
    "nash_policy_gradient": "Nash-MD-PG",
    "policy_gradient": "Online IPO 2",
}


def finished(result: Any) -> Any:
    return jax.block_until_ready(result)


def against_the_authors() -> list[dict[str, Any]]:
    rng = np.random.default_rng(0)
    advantage = game.skew(rng.uniform(-0.5, 0.5, (GAMES, ACTIONS * (ACTIONS - 1) // 2)), ACTIONS)
    logits = rng.normal(size=(GAMES, ACTIONS))
    reference = logits - np.log(np.sum(np.exp(logits), axis=-1, keepdims=True))
    steps = sum(setting.steps for setting in PUBLISHED)
    whole = median_seconds(lambda: finished(play_many(advantage, reference)), runs=5, warm_up=1)
    rows = [
        {
            "question": f"whole protocol, {steps} steps of five methods",
            "ours_s": whole,
            "ours_us_a_step": 1e6 * whole / steps,
        }
    ]
    folder = os.environ.get("EGPO")
    if not folder:
        print("EGPO is not set: the authors' simulator is skipped")
        return rows
    first = PUBLISHED[0]
    ours = finished(play_many(advantage, reference, [first]))[0]
    seconds = median_seconds(lambda: finished(play_many(advantage, reference, [first])))
    run = authors(folder, advantage, reference)
    total = 0.0
    for method in METHODS:
        theirs: list[np.ndarray] = []
        peer = median_seconds(
            lambda m=method, t=theirs: t.append(run(THEIRS[m], first.beta, 0.1, first.steps)), runs=3, warm_up=1
        )
        total += peer
        rows.append({
            "question": f"β = 0.1, {first.steps} steps: {method}", "peer_s": peer,
            "peer_us_a_step": 1e6 * peer / first.steps,
            "largest_gap_difference": float(np.max(np.abs(theirs[0] - np.asarray(ours.gaps[method])))),
            "peers_least_gap": float(theirs[0].min()), "ours_least_gap": float(np.min(ours.gaps[method])),
        })  # fmt: skip
    rows.append({
        "question": f"β = 0.1, {first.steps} steps: all five", "ours_s": seconds, "peer_s": total,
        "ours_us_a_step": 1e6 * seconds / first.steps, "peer_us_a_step": 1e6 * total / first.steps,
        "peer_over_ours": total / seconds,
    })  # fmt: skip
    extrapolated = total / first.steps * steps
    rows[0] |= {"peer_s": extrapolated, "peer_over_ours": extrapolated / whole}
    rows[0]["question"] += "; the peer's time extrapolated"
    return rows


def authors(folder: str, advantage: np.ndarray, reference: np.ndarray | None, losses_of: str = "exact") -> Any:
    """Their loop (`grid_search.run`) as a function: (name, beta, step of SGD, steps) -> gaps.

    Without a reference their network is the policy; `losses_of` is "exact" or "empirical", which samples.
    """
    import torch
    import torch._dynamo  # before the stubs below: torch looks for real modules of their names

    torch.set_num_threads(1)
    for name, attribute in (("torchvision", "transforms"), ("tqdm", "tqdm")):
        if name not in sys.modules and importlib.util.find_spec(name) is None:  # imported there, and not needed
            sys.modules[name] = types.ModuleType(name)
            setattr(sys.modules[name], attribute, None)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    losses, policies, utils = (importlib.import_module(m) for m in ("loss_funcs", "policies", "utils"))
    matrix = torch.asarray(advantage + 0.5, dtype=torch.float32)
    games, actions = advantage.shape[:2]
    if reference is None:
        anchor = policies.NeuralPolicy(games, actions, 3, 10, "cpu")
        anchor.random_init()
    else:
        anchor = policies.TabularPolicy(games, actions, "cpu")
        anchor.thetas.data = torch.asarray(reference, dtype=torch.float32)[..., None]

    def gap(policy: Any, beta: float) -> Any:
        response = utils.tabular_response_logits(matrix, beta, policy, anchor)
        with torch.no_grad():
            return utils.game_value(matrix, beta, response, policy.logits(), anchor.logits()) - utils.game_value(
                matrix, beta, policy.logits(), response, anchor.logits()
            )

    def run(name: str, beta: float, sgd_step: float, steps: int) -> np.ndarray:
        loss_function = losses.LOSS_FUNCS[losses_of][name if losses_of == "exact" else f"{name} Empirical"]
        found = torch.zeros(games, steps + 1)
        policy = copy.deepcopy(anchor)
        optimizer = torch.optim.SGD(policy.parameters(), sgd_step)
        for i in range(steps):
            found[:, i] = gap(policy, beta)
            optimizer.zero_grad()
            loss = loss_function(
                P=matrix, beta=beta, policy=policy, policy_ref=anchor, true_lr=2 * sgd_step / (beta * actions),
                num_samples=100, optimizer=optimizer,
            )  # fmt: skip
            loss.backward()
            optimizer.step()
        found[:, steps] = gap(policy, beta)
        return found.numpy().T

    return run


def sampled_against_the_authors() -> list[dict[str, Any]]:
    """The sampled simulations in full on our side, their loop for a few updates; both record every update's gap."""
    rng = np.random.default_rng(3)
    world = authors_games(beta=sampled.WEIGHT).draw(rng, GROUP)
    start = jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), neural.drawn(1, sampled_networks.WEIGHT))

    def with_tables() -> Any:
        return race(
            world, world.log_reference, jax.random.key(0), rate=sampled.RATE, updates=sampled.UPDATES
        )  # fmt: skip

    def with_a_network() -> list[Any]:
        return [
            finished(sampled_networks.trained_on_draws(
                name, *start, jax.random.key(0), jnp.float32(sampled_networks.RATE), updates=sampled_networks.UPDATES
            ))
            for name in NAMES
        ]  # fmt: skip

    folder, rows = os.environ.get("EGPO"), []
    for what, ours, updates, beta, rate, advantage, reference in (
        (f"tables, {GROUP} games (theirs: {GAMES})", with_tables, sampled.UPDATES, sampled.WEIGHT, sampled.RATE,
         np.asarray(world.advantage)[:GAMES], np.asarray(world.log_reference)[:GAMES]),
        (f"a network, {GAMES} games", with_a_network, sampled_networks.UPDATES, sampled_networks.WEIGHT,
         sampled_networks.RATE, np.asarray(start[1].advantage), None),
    ):  # fmt: skip
        seconds = median_seconds(ours, runs=1, warm_up=1)
        row = {
            "question": f"sampled gradients, {what}, {updates} updates of five methods", "ours_s": seconds,
            "ours_us_a_step": 1e6 * seconds / updates,
        }  # fmt: skip
        if folder:
            run = authors(folder, advantage, reference, "empirical")
            few = median_seconds(lambda r=run, b=beta, s=rate: [r(n, b, s, FEW) for n in THEIRS.values()])
            row |= {"peer_s": few / FEW * updates, "peer_us_a_step": 1e6 * few / FEW}
            row |= {"peer_over_ours": few / FEW * updates / seconds}
            row["question"] += f"; the peer's time extrapolated from {FEW}"
        rows.append(row)
    return rows


def against_open_spiel() -> list[dict[str, Any]]:
    rng = np.random.default_rng(1)
    advantage = game.skew(rng.uniform(-0.5, 0.5, ACTIONS * (ACTIONS - 1) // 2), ACTIONS)
    uniform = np.full(ACTIONS, -np.log(ACTIONS))
    ours_exact = median_seconds(lambda: nash_equilibrium(advantage))
    rows = [{"question": "one game, linear program", "ours_s": ours_exact}]
    try:
        import pyspiel
        from open_spiel.python.algorithms import lp_solver, mmd_dilated
    except ImportError:
        print("open_spiel is not importable: its rows are skipped")
        return rows
    matrix = pyspiel.create_matrix_game(advantage.tolist(), (-advantage).tolist())
    theirs = median_seconds(lambda: lp_solver.solve_zero_sum_matrix_game(matrix))
    policy = np.ravel(lp_solver.solve_zero_sum_matrix_game(matrix)[0])
    found = nash_equilibrium(advantage)
    rows[0] |= {
        "peer_s": theirs, "peer_over_ours": theirs / ours_exact,
        "largest_policy_difference": float(np.max(np.abs(policy - found.policy))),
        "peers_gap": float(2 * np.max(advantage @ policy)), "ours_gap": found.gap,
    }  # fmt: skip
    for alpha, steps in ((0.1, 400), (0.01, 20_000)):
        solver = mmd_dilated.MMDDilatedEnt(pyspiel.convert_to_turn_based(matrix), alpha)
        magnetic = solver.stepsize

        def solve(solver: Any = solver, steps: int = steps) -> None:
            for _ in range(steps):
                solver.update_sequences()

        peer = median_seconds(solve, runs=1, warm_up=0)
        world = game.PreferenceGame(advantage, uniform, np.array(alpha))
        eta = magnetic / (1.0 + magnetic * alpha)

        def descend(world: Any = world, eta: float = eta, steps: int = steps) -> Any:
            return finished(play(SOLVERS["mirror_descent"], world, step_size=eta, steps=steps))

        def newton(alpha: float = alpha) -> Any:
            return finished(regularised_equilibrium(advantage, uniform, beta=alpha))

        policy = np.asarray(solver.current_sequences()[0])[-ACTIONS:]
        exact = np.exp(np.asarray(newton().log_policy))
        same = np.exp(np.asarray(descend().state.log_policy))
        for what, ours, ours_policy in (("the same steps", descend, same), ("Newton's method", newton, exact)):
            seconds = median_seconds(ours)
            rows.append({
                "question": f"one game, α = {alpha}, {steps} steps of magnetic mirror descent; ours: {what}",
                "ours_s": seconds, "peer_s": peer, "peer_over_ours": peer / seconds,
                "largest_policy_difference": float(np.max(np.abs(policy - ours_policy))),
                "peers_gap": float(gaps.regularised_gap(advantage, np.log(policy), uniform, beta=alpha)),
                "ours_gap": float(gaps.regularised_gap(advantage, np.log(ours_policy), uniform, beta=alpha)),
            })  # fmt: skip
    return rows


def large_games() -> dict[str, Any]:
    rng = np.random.default_rng(2)
    count, actions = LARGE["games"], LARGE["actions"]
    world = game.random_games(
        rng.uniform(-0.5, 0.5, (count, actions * (actions - 1) // 2)),
        rng.normal(size=(count, actions)),
        np.full(count, 0.1),
    )

    @jax.jit
    def one_after_another(world: Any) -> Any:
        return jax.lax.map(
            lambda one: play(SOLVERS["extragradient"], one, step_size=1.0, steps=LARGE["steps"]).measured[-1], world
        )

    last: list[Any] = []
    seconds = median_seconds(lambda: last.append(finished(one_after_another(world))), runs=1, warm_up=1)
    return {
        "question": "extragradient, {games} games × {actions} actions × {steps} steps".format(**LARGE),
        "ours_s": seconds,
        "ours_gap": float(np.max(last[-1])), "peak_memory_MiB": peak_memory_mib(),
    }  # fmt: skip


def main() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        rows = [*against_the_authors(), *sampled_against_the_authors(), *against_open_spiel()]
    rows.append(large_games())
    record("games", rows, "torch", "open_spiel", "ecos")


if __name__ == "__main__":
    main()
