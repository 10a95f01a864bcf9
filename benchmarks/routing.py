"""One routing step and the online study, in time: against top-k alone, a plain loop, and the updates of two libraries.

    python -m benchmarks.routing

A step is what balancing needs for each batch: bias the scores, choose, count, gate, update; 4,096 tokens × 64 experts,
top-6, float32. The limit is three times the same library's own top-k. The online study is 20 runs × 3,000 steps × 7
policies on one stream of 120 tokens × 6 experts, in one compiled call, within 30 s, with and without the exact expected
regret of every step; the plain NumPy loop is timed on 50 steps of one run and scaled. Updates of megatron-core and
torchtitan are timed and compared where they are installed (their distributed reduction left out: one process).
"""

import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.record import median_seconds, record
from lab.routing.online import Policy, follow
from lab.routing.optimum import balanced_assignment
from lab.routing.rules import update
from lab.routing.selection import gates, loads, route
from lab.routing.worlds import spread_means, stream

TOKENS, EXPERTS, K, RATE = 4096, 64, 6, 1e-3
RUNS, STEPS = 20, 3000


def step(scores: Any, bias: Any) -> tuple[Any, Any]:
    """One step of the procedure, by the deployed rule."""
    chosen = route(scores, bias, experts_per_token=K)
    return gates(scores, chosen, normalised=True), update(bias, loads(chosen), rule="sign", rate=RATE)


def steps() -> list[dict[str, Any]]:
    rng = np.random.default_rng(0)
    scores = (1.0 / (1.0 + np.exp(-rng.normal(size=(TOKENS, EXPERTS))))).astype(np.float32)
    bias = (0.01 * rng.normal(size=EXPERTS)).astype(np.float32)
    in_jax, bias_in_jax = jnp.asarray(scores), jnp.asarray(bias)
    compiled, largest = jax.jit(step), jax.jit(lambda x: jax.lax.top_k(x, K))
    timed = {
        "NumPy (argpartition)": (lambda: step(scores, bias), lambda: np.argpartition(-scores, K, axis=-1)[:, :K]),
        "JAX (lax.top_k), compiled": (
            lambda: jax.block_until_ready(compiled(in_jax, bias_in_jax)),
            lambda: jax.block_until_ready(largest(in_jax)),
        ),
    }
    try:
        import torch
    except ImportError:
        pass
    else:
        torch.set_num_threads(1)
        in_torch, bias_in_torch = torch.asarray(scores), torch.asarray(bias)
        timed["torch (topk)"] = (lambda: step(in_torch, bias_in_torch), lambda: torch.topk(in_torch, K, dim=-1))
    rows = []
    for name, (ours, peer) in timed.items():
        seconds, limit = median_seconds(ours, runs=31), median_seconds(peer, runs=31)
        rows.append(
            {"question": f"one step, {name}", "ours_s": seconds, "peer_s": limit, "ours_over_peer": seconds / limit}
        )
    return rows


def study() -> list[dict[str, Any]]:
    world = stream(spread_means(6, 0.25), tokens=120, experts_per_token=2)
    mu = world.strong_convexity
    policies = (
        *(Policy("harmonic", c / mu) for c in (1.0, 3.0, 0.1)),
        Policy("root", 1.0 / mu),
        Policy("proportional", 0.3 / mu),
        *(Policy("sign", u) for u in (0.01, 0.001)),
    )
    plain = plain_loop(world, policies, steps=50) * RUNS * STEPS / 50
    rows = []
    for with_regret, name in ((False, "online study"), (True, "online study with exact regret")):
        times = []
        for seed in range(4):
            start = time.perf_counter()
            jax.block_until_ready(
                follow(world, jax.random.key(seed), policies=policies, runs=RUNS, steps=STEPS, with_regret=with_regret)
            )
            times.append(time.perf_counter() - start)
        seconds = float(np.median(times[1:]))
        rows.append(
            {
                "question": f"{name}: plain NumPy loop without regret (scaled)",
                "ours_s": seconds,
                "peer_s": plain,
                "ours_over_peer": seconds / plain,
                "first_call_s": times[0],
            }
        )
    return rows


def plain_loop(world: Any, policies: tuple[Policy, ...], *, steps: int) -> float:
    """Seconds of what one would write first: for every step and policy, NumPy's argsort, counts and update."""
    rng = np.random.default_rng(0)
    biases = [np.zeros(world.experts) for _ in policies]
    start = time.perf_counter()
    for n in range(1, steps + 1):
        scores = world.means + rng.random((world.tokens, world.experts))
        for i, policy in enumerate(policies):
            chosen = np.argsort(-(scores + biases[i]), axis=-1)[:, : world.experts_per_token]
            short = world.balanced_load - np.bincount(chosen.ravel(), minlength=world.experts)
            size = {"sign": np.sign(short), "harmonic": short / n, "root": short / n**0.5}.get(policy.rule, short)
            biases[i] = biases[i] + policy.rate * size
    return time.perf_counter() - start


def optimum() -> list[dict[str, Any]]:
    """The optimal balanced assignment of the batch: the linear program takes many minutes and is not run here."""
    scores = 1.0 / (1.0 + np.exp(-np.random.default_rng(0).normal(size=(TOKENS, EXPERTS))))
    seconds = median_seconds(lambda: balanced_assignment(scores, experts_per_token=K), runs=3, warm_up=0)
    return [{"question": "optimal assignment with its biases", "ours_s": seconds}]


def libraries() -> list[dict[str, Any]]:
    """The update alone, against megatron-core's and torchtitan's: equal values, and the time of each."""
    try:
        import torch
    except ImportError:
        return []
    rng = np.random.default_rng(0)
    load = torch.asarray(rng.integers(300, 500, EXPERTS))
    bias = torch.zeros(EXPERTS)
    ours = update(bias, load, rule="sign", rate=RATE)
    rows = []
    for name, theirs in (("megatron-core", megatron()), ("torchtitan", torchtitan())):
        if theirs is None:
            continue
        found = theirs(load, bias)
        expected = ours - ours.mean() if name == "torchtitan" else ours
        rows.append(
            {
                "question": f"update alone: {name}",
                "ours_s": median_seconds(lambda: update(bias, load, rule="sign", rate=RATE), runs=101),
                "peer_s": median_seconds(lambda theirs=theirs: theirs(load, bias), runs=101),
                "largest_difference": float(torch.max(torch.abs(found - expected))),
            }
        )
    return rows


def megatron() -> Any:
    """megatron-core's update with its all-reduce replaced by nothing, as in a group of one process."""
    try:
        import torch
        from megatron.core.transformer.moe import moe_utils
    except Exception:
        return None
    torch.distributed.all_reduce = lambda *arguments, **options: None
    moe_utils.parallel_state.get_tensor_and_data_parallel_group = lambda **options: None
    return lambda load, bias: moe_utils.get_updated_expert_bias(load, bias, RATE)


def torchtitan() -> Any:
    """torchtitan's lines (components/optimizer: sign step, then recentred); its hook needs a whole model around it."""
    try:
        import torch
        import torchtitan  # noqa: F401
    except Exception:
        return None

    def hook(load: Any, bias: Any) -> Any:
        with torch.no_grad():
            counts = load.float()
            delta = RATE * torch.sign(counts.mean() - counts)
            return bias + (delta - delta.mean())

    return hook


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    record("routing", [*steps(), *study(), *optimum(), *libraries()], "torch", "megatron-core", "torchtitan")


if __name__ == "__main__":
    main()
