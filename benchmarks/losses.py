"""Preference losses: time for a million pairs on three array libraries, and values against a peer's.

    python -m benchmarks.losses                       ours alone
    PYTHONPATH=FOLDER python -m benchmarks.losses     with Liger in FOLDER
                                                      (pip install --no-deps --target FOLDER liger-kernel==0.8.5)

`over_plain` is the time of our NumPy function, with its checks, over that of `np.logaddexp(0, -beta * margin)` alone,
the dearest line of DPO. The peer is Liger's `preference_loss_fn`, whose formulas are TRL 1.16's; it takes means:
values are compared pair by pair, each against 50 digits. TRL itself is not run: its trainer needs transformers.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import mpmath
import numpy as np
import torch

from benchmarks.record import median_seconds, record
from lab.objectives.conventions import from_trl
from lab.objectives.table import ROWS

PAIRS, SETTINGS = 1_000_000, {"beta": 0.1, "flip_rate": 0.2}


def timings() -> list[dict[str, Any]]:
    rng = np.random.default_rng(0)
    margin = rng.normal(size=PAIRS) * 20
    plain = median_seconds(lambda: np.logaddexp(0.0, -0.1 * margin))
    rows = []
    for row in ROWS:
        settings = {name: SETTINGS[name] for name in row.settings}
        x = margin if row.inputs == ("margin",) else rng.normal(size=(PAIRS, 3)) * 20
        in_jax, in_torch = jax.numpy.asarray(x), torch.asarray(x)
        loss = functools.partial(row.formula, **settings)
        compiled = jax.jit(loss)
        times = {
            "numpy": median_seconds(functools.partial(loss, x)),
            "jax": median_seconds(functools.partial(_finished, compiled, in_jax)),
            "torch": median_seconds(functools.partial(loss, in_torch)),
        }
        milliseconds = {f"{library}_ms": 1e3 * t for library, t in times.items()}
        rows.append({"loss": row.name, **milliseconds, "over_plain": times["numpy"] / plain})
    return rows


def _finished(compiled: Callable[..., Any], x: Any) -> None:
    compiled(x).block_until_ready()


def peer() -> Callable[..., Any] | None:
    try:
        from liger_kernel.chunked_loss.dpo_loss import LigerFusedLinearDPOFunction
    except ImportError:
        return None
    return LigerFusedLinearDPOFunction.preference_loss_fn


def exact(loss_type: str, margin: float, beta: float, rate: float) -> Any:
    h = mpmath.mpf(margin) * mpmath.mpf(beta)
    if loss_type == "hinge":
        return max(mpmath.mpf(0), 1 - h)
    forwards, backwards = mpmath.log1p(mpmath.exp(-h)), mpmath.log1p(mpmath.exp(h))
    if loss_type == "sigmoid":
        return forwards
    e = mpmath.mpf(rate)
    return ((1 - e) * forwards - e * backwards) / (1 - 2 * e)


def comparisons(theirs: Callable[..., Any]) -> list[dict[str, Any]]:
    mpmath.mp.dps = 50
    rng = np.random.default_rng(1)
    rows = []
    for dtype in (torch.float64, torch.float32):
        margin = torch.asarray(rng.normal(size=400) * 20).to(dtype)
        zero, one_pair = torch.zeros(1, dtype=dtype), torch.zeros(2, 1)
        for loss_type, rate in (("sigmoid", 0.0), ("hinge", 0.0), ("robust", 0.2), ("robust", 0.45), ("robust", 0.49)):
            # Powers of two for beta, so that h is the same number for everyone.
            translated = from_trl(loss_type, beta=0.125, label_smoothing=rate)
            ours = translated.loss(margin, **translated.settings)
            other = torch.stack([
                theirs(m[None], zero, one_pair, zero, zero, beta=0.125, loss_type=loss_type, label_smoothing=rate)[0]
                for m in margin
            ])  # fmt: skip
            # The rate counts as the floating-point number that both were given.
            truth = [exact(loss_type, float(m), 0.125, rate) for m in margin]
            scale = [abs(t) + mpmath.mpf(1e-300) for t in truth]
            errors = [
                float(
                    max(abs(mpmath.mpf(float(v)) - t) / max(s, 1) for v, t, s in zip(values, truth, scale, strict=True))
                )
                for values in (ours, other)
            ]
            rows.append({
                "peer": "liger", "loss": loss_type, "flip_rate": rate, "dtype": str(dtype).removeprefix("torch."),
                "bit_equal": float((ours == other).double().mean()),
                "largest_difference": float((ours - other).abs().max()),
                "our_error": errors[0], "peer_error": errors[1],
            })  # fmt: skip
    return rows


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    torch.set_num_threads(1)
    rows = timings()
    theirs = peer()
    if theirs is None:
        print("liger-kernel is not installed: values are not compared")
    else:
        rows += comparisons(theirs)
    record("losses", rows, "torch", "mpmath", "liger-kernel")


if __name__ == "__main__":
    main()
