"""Families of worlds that several pieces of evidence share."""

import numpy as np

from lab.family import Family, family, normal, uniform
from lab.routing.worlds import FixedTokens, TokenStream, sigmoid_tokens, spread_means, stream


def _added(scores, lean, experts_per_token):
    return FixedTokens(scores + lean[..., None, :], experts_per_token)


def tokens(count: int, experts: int, experts_per_token: int, *, lean: float = 0.3) -> Family:
    """A batch of tokens with uniform scores that lean towards some experts by up to ±`lean`."""
    return family(
        _added, scores=uniform(0, 1, shape=(count, experts)), lean=uniform(-lean, lean, shape=(experts,)),
        experts_per_token=experts_per_token,
    )  # fmt: skip


def affinities(count: int, experts: int, experts_per_token: int, *, lean: float = 0.5) -> Family:
    """A batch of tokens with sigmoid affinities of normal logits."""
    return family(
        sigmoid_tokens, logits=normal(shape=(count, experts)), lean=normal(lean, shape=(experts,)),
        experts_per_token=experts_per_token,
    )  # fmt: skip


def _paired(scores, experts_per_token):
    return FixedTokens(np.repeat(scores, 2, axis=-2), experts_per_token)


def twins(pairs: int, experts: int, experts_per_token: int) -> Family:
    """Every token comes twice: their scores tie whatever the biases."""
    return family(_paired, scores=uniform(0, 1, shape=(pairs, experts)), experts_per_token=experts_per_token)


small = tokens(12, 4, 1)
wide = tokens(12, 6, 2)
uneven = tokens(13, 4, 1)  # 13/4 tokens an expert

SIX = stream(spread_means(6, 0.25), tokens=120, experts_per_token=2)  # the stream of the online study
FOUR = stream(spread_means(4, 0.2), tokens=101, experts_per_token=2)  # 50.5 tokens an expert: no load is ever exact


def drifting(swing: float = 0.25) -> TokenStream:
    """Means that swing by ±`swing` once in 1,000 steps; 240 tokens."""
    return stream(np.zeros(6), tokens=240, experts_per_token=2, swing=spread_means(6, swing), period=1000.0)
