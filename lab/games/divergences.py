r"""Distances between the margin of a pair and its target: the D of $\mathbb{E}\,D(h_w - h_l \,\|\, c)$.

Source: `mnpo` (arXiv 2509.23102v3), Equation 17 and Table 1.
"""

from collections.abc import Callable

from jaxtyping import Float

from lab.arrays import Array, Real, floats, log_sigmoid, sigmoid

Distance = Callable[[Array, Array], Array]


def squared_distance(margin: Real, target: Real) -> Float[Array, "..."]:
    r"""$D_{sq}(a\|c) = (a - c)^2$."""
    margin, target = floats(margin, target)
    return (margin - target) ** 2


def backward_bernoulli(margin: Real, target: Real) -> Float[Array, "..."]:
    r"""$D_{bwd}(a\|c) = \mathrm{KL}(\mathrm{Ber}(\sigma(c))\,\|\,\mathrm{Ber}(\sigma(a)))$, 0 at a = c.

    As c → ∞ it tends to $-\log\sigma(a)$, the logistic loss.
    """
    margin, target = floats(margin, target)
    agree = sigmoid(target) * (log_sigmoid(target) - log_sigmoid(margin))
    return agree + sigmoid(-target) * (log_sigmoid(-target) - log_sigmoid(-margin))


def bernoulli_entropy(logits: Real) -> Float[Array, "..."]:
    r"""Entropy of a label with probability σ(c), in nats; below $(1+c)e^{-c}$ for c > 0."""
    (logits,) = floats(logits)
    return -sigmoid(logits) * log_sigmoid(logits) - sigmoid(-logits) * log_sigmoid(-logits)
