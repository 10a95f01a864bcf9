r"""The mixture of two estimators of one gradient when their moments are known: error, best weight, improvement.

The mixture is $g_c(\alpha) = \alpha\,g_t + (1-\alpha)\,g_e$, of a noisy trace gradient $g_t$ and a cheap empty-trace
gradient $g_e$, both aimed at $\mu$. Biases are vectors, $b_t = \mathbb{E}g_t - \mu$ and $b_e$; variances and the
covariance are traces of matrices, $S_t, S_e, S_{te}$. They are conditional on what the caller held fixed: per pair
(only the traces are random, $S_e = S_{te} = 0$) or over the data; a weight for one is not a weight for the other.

Source: `bvpo` (arXiv 2510.05095v1), Equation 2 and Theorems 1–4; closed forms derived. A step of SGD of size η on an
L-smooth loss suffers $\|b\|^2 + \rho\,\mathrm{Var}$ with $\rho = \eta L$; the mean squared error is the case ρ = 1.
"""

from typing import NamedTuple

from jaxtyping import Float

from lab.arrays import (
    Array,
    Real,
    beside,
    check_between,
    check_broadcast,
    check_finite,
    check_last_axis,
    check_positive,
    check_same_shape,
    floats,
    is_traced,
    namespace,
)


class Moments(NamedTuple):
    """Bias vectors (..., dim), and traces (...) of both covariance matrices and of the cross-covariance."""

    bias_trace: Array
    bias_empty: Array
    var_trace: Array
    var_empty: Array
    cov: Array


class Improvement(NamedTuple):
    """By how much the best mixture's error lies below that of each estimator alone."""

    over_trace: Array
    over_empty: Array


def mixed(
    g_trace: Float[Array, "... dim"], g_empty: Float[Array, "... dim"], *, weight: Real
) -> Float[Array, "... dim"]:
    r"""Mixed gradient $\alpha\,g_t + (1-\alpha)\,g_e$; `weight` has the leading dimensions.

    Raises ValueError unless 0 ≤ weight ≤ 1 and both gradients are finite, of one shape. Source: `bvpo`, Equation 2.
    """
    g_trace, g_empty, weight = floats(g_trace, g_empty, weight)
    check_between(0.0, 1.0, weight=weight)
    _check_vectors(g_trace=g_trace, g_empty=g_empty)
    check_broadcast(weight=weight, **{"g_trace[..., 0]": g_trace[..., 0]})
    return beside(weight) * g_trace + (1.0 - beside(weight)) * g_empty


def bias(
    weight: Real, bias_trace: Float[Array, "... dim"], bias_empty: Float[Array, "... dim"]
) -> Float[Array, "... dim"]:
    r"""Bias of the mixture, $\alpha b_t + (1-\alpha) b_e$. Raises ValueError unless all is finite, of one shape."""
    bias_trace, bias_empty, weight = floats(bias_trace, bias_empty, weight)
    check_finite(weight=weight)
    _check_vectors(bias_trace=bias_trace, bias_empty=bias_empty)
    check_broadcast(weight=weight, **{"bias_trace[..., 0]": bias_trace[..., 0]})
    return beside(weight) * bias_trace + (1.0 - beside(weight)) * bias_empty


def variance(weight: Real, var_trace: Real, var_empty: Real, cov: Real) -> Float[Array, "..."]:
    r"""Variance of the mixture, $\alpha^2 S_t + (1-\alpha)^2 S_e + 2\alpha(1-\alpha) S_{te}$.

    Raises ValueError unless all is finite, the variances are not negative, and shapes broadcast. Source: `bvpo`, C1.
    """
    _check_spreads(var_trace, var_empty, cov)
    check_finite(weight=weight)
    check_broadcast(weight=weight, var_trace=var_trace, var_empty=var_empty, cov=cov)
    weight, var_trace, var_empty, cov = floats(weight, var_trace, var_empty, cov)
    rest = 1.0 - weight
    return weight * weight * var_trace + rest * rest * var_empty + 2.0 * weight * rest * cov


def covariance(
    weight: Real,
    cov_trace: Float[Array, "... dim dim"],
    cov_empty: Float[Array, "... dim dim"],
    cross: Float[Array, "... dim dim"],
) -> Float[Array, "... dim dim"]:
    r"""Covariance matrix of the mixture:

    $$\alpha^2\Sigma_t + (1-\alpha)^2\Sigma_e + \alpha(1-\alpha)(\Sigma_{te} + \Sigma_{te}^\top).$$

    `cross` is $\mathrm{Cov}(g_t, g_e)$. Raises ValueError unless all is finite, and the matrices square, of one shape.
    Source: `bvpo`, Theorem 1 is the case $\Sigma_e = \Sigma_{te} = 0$.
    """
    cov_trace, cov_empty, cross, weight = floats(cov_trace, cov_empty, cross, weight)
    check_finite(weight=weight)
    _check_vectors(cov_trace=cov_trace, cov_empty=cov_empty, cross=cross)
    if cross.ndim < 2 or cross.shape[-1] != cross.shape[-2]:
        raise ValueError(f"cross has {tuple(cross.shape)}: covariances must be square")
    check_broadcast(weight=weight, **{"cross[..., 0, 0]": cross[..., 0, 0]})
    a = beside(weight, axes=2)
    both = cross + namespace(cross).matrix_transpose(cross)
    return a * a * cov_trace + (1.0 - a) * (1.0 - a) * cov_empty + a * (1.0 - a) * both


def step_error(
    weight: Real,
    bias_trace: Float[Array, "... dim"],
    bias_empty: Float[Array, "... dim"],
    var_trace: Real,
    var_empty: Real,
    cov: Real,
    *,
    smoothness_step: Real = 1.0,
) -> Float[Array, "..."]:
    r"""What a step of SGD pays for its gradient: $\|b(\alpha)\|^2 + \rho\,\mathrm{Var}(\alpha)$, $\rho = \eta L$.

    Any finite weight is allowed, so that the whole parabola can be drawn. Raises ValueError for moments that no pair of
    estimators has. Source: `bvpo`, Theorem 3.
    """
    _check_moments(bias_trace, bias_empty, var_trace, var_empty, cov, smoothness_step)
    check_finite(weight=weight)
    mean = bias(weight, bias_trace, bias_empty)
    spread, smoothness_step = floats(variance(weight, var_trace, var_empty, cov), smoothness_step)
    return dot(mean, mean) + smoothness_step * spread


def mean_squared_error(
    weight: Real,
    bias_trace: Float[Array, "... dim"],
    bias_empty: Float[Array, "... dim"],
    var_trace: Real,
    var_empty: Real,
    cov: Real,
) -> Float[Array, "..."]:
    r"""$\mathbb{E}\|g_c(\alpha) - \mu\|^2$: `step_error` at $\rho = 1$; raises as that. Source: `bvpo`, Theorem 2."""
    return step_error(weight, bias_trace, bias_empty, var_trace, var_empty, cov)


def error_matrix(
    weight: Real,
    bias_trace: Float[Array, "... dim"],
    bias_empty: Float[Array, "... dim"],
    cov_trace: Float[Array, "... dim dim"],
    cov_empty: Float[Array, "... dim dim"],
    cross: Float[Array, "... dim dim"],
) -> Float[Array, "... dim dim"]:
    r"""$\mathbb{E}(g_c-\mu)(g_c-\mu)^\top = b(\alpha)b(\alpha)^\top + \Sigma(\alpha)$; its trace is the error.

    Raises ValueError as `bias` and `covariance`, and unless vectors and matrices have one dimension.
    """
    mean, spread = floats(bias(weight, bias_trace, bias_empty), covariance(weight, cov_trace, cov_empty, cross))
    check_last_axis("dimensions", bias_trace=mean, **{"cov_trace[..., 0, :]": spread[..., 0, :]})
    return mean[..., :, None] * mean[..., None, :] + spread


def unclipped_weight(
    bias_trace: Float[Array, "... dim"],
    bias_empty: Float[Array, "... dim"],
    var_trace: Real,
    var_empty: Real,
    cov: Real,
    *,
    smoothness_step: Real = 1.0,
) -> Float[Array, "..."]:
    r"""Vertex of the parabola `step_error`, which may lie outside [0, 1]:

    $$\alpha_\rho = \frac{N}{D}, \quad N = \langle b_e, b_e - b_t\rangle + \rho\,(S_e - S_{te}), \quad
    D = \|b_t - b_e\|^2 + \rho\,(S_t + S_e - 2S_{te}).$$

    Raises ValueError where the denominator is 0: the estimators coincide and every weight gives the same error.
    Source: `bvpo`, Theorem 2 (ρ = 1; formula derived) and C5.
    """
    numerator, rest = _parts(bias_trace, bias_empty, var_trace, var_empty, cov, smoothness_step)
    return numerator / (numerator + rest)


def optimal_weight(
    bias_trace: Float[Array, "... dim"],
    bias_empty: Float[Array, "... dim"],
    var_trace: Real,
    var_empty: Real,
    cov: Real,
    *,
    smoothness_step: Real = 1.0,
) -> Float[Array, "..."]:
    r"""Weight of the trace gradient in [0, 1] that minimises `step_error`: `unclipped_weight`, clipped.

    ρ = 1 is the paper's MSE-optimal weight; for small steps of SGD with an unbiased trace gradient it tends to 1.
    Raises ValueError where the estimators coincide. Source: `bvpo`, Theorems 2 and 4.
    """
    weight = unclipped_weight(bias_trace, bias_empty, var_trace, var_empty, cov, smoothness_step=smoothness_step)
    return unit_interval(weight)


def improvement(
    bias_trace: Float[Array, "... dim"],
    bias_empty: Float[Array, "... dim"],
    var_trace: Real,
    var_empty: Real,
    cov: Real,
    *,
    smoothness_step: Real = 1.0,
) -> Improvement:
    r"""How far the best mixture lies below each estimator: $(D-N)^2/D$ and $N^2/D$ while $0 < N < D$.

    $N/D$ is the `unclipped_weight`; where it lies outside (0, 1), one of the amounts is 0. Raises ValueError where the
    estimators coincide. Source: `bvpo`, Corollary 1 (amounts derived).
    """
    numerator, rest = _parts(bias_trace, bias_empty, var_trace, var_empty, cov, smoothness_step)
    denominator = numerator + rest
    weight = unit_interval(numerator / denominator)
    over_trace = (1.0 - weight) * (2.0 * rest - (1.0 - weight) * denominator)
    return Improvement(over_trace, weight * (2.0 * numerator - weight * denominator))


def batched(moments: Moments, *, batch: Real) -> Moments:
    """Moments of the mean of `batch` independent draws of the pair of estimators: biases stay, covariances shrink.

    Raises ValueError unless the batch is positive.
    """
    check_positive(batch=batch)
    return moments._replace(
        var_trace=moments.var_trace / batch, var_empty=moments.var_empty / batch, cov=moments.cov / batch
    )


def averaged(moments: Moments, *, traces: Real, within: Real) -> Moments:
    r"""Moments when the trace gradient is the mean over k traces of the same pair: $S_t - (1 - 1/k)\,S_{within}$.

    `within` is the part of $S_t$ that trace sampling causes: all of it per pair, $\mathbb{E}\,\mathrm{Var}(g_t|pair)$
    over the data. Biases and the covariance with the empty-trace gradient do not change. Raises ValueError unless
    traces ≥ 1 and within ≥ 0. Source: `bvpo`, C8 (derived).
    """
    check_between(1.0, float("inf"), traces=traces)
    check_between(0.0, float("inf"), within=within)
    return moments._replace(var_trace=moments.var_trace - (1.0 - 1.0 / traces) * within)


def sgd_bound(
    initial_gap: Real, mean_step_error: Real, *, step_size: Real, smoothness: Real, steps: int
) -> Float[Array, "..."]:
    r"""Bound on the mean of $\mathbb{E}\|\nabla L(\theta_k)\|^2$ over k < T.

    It is $2(L(\theta_0)-L^*)/(\eta T)$ plus the mean `step_error` of the steps.

    Raises ValueError unless η L ≤ 1, there is a step, and neither gap nor error is negative.
    Source: `bvpo`, Theorem 3 (constants derived).
    """
    check_positive(step_size=step_size, smoothness=smoothness)
    if steps < 1:
        raise ValueError(f"steps = {steps}: must be at least 1")
    check_between(0.0, float("inf"), initial_gap=initial_gap, mean_step_error=mean_step_error)
    check_broadcast(
        initial_gap=initial_gap, mean_step_error=mean_step_error, step_size=step_size, smoothness=smoothness
    )
    initial_gap, mean_step_error, step_size, smoothness = floats(initial_gap, mean_step_error, step_size, smoothness)
    check_between(0.0, 1.0, **{"step_size · smoothness": step_size * smoothness})
    return 2.0 * initial_gap / (step_size * steps) + mean_step_error


def _parts(
    bias_trace: Array, bias_empty: Array, var_trace: Real, var_empty: Real, cov: Real, smoothness_step: Real
) -> tuple[Array, Array]:
    """N and D − N; the vertex is N/D."""
    _check_moments(bias_trace, bias_empty, var_trace, var_empty, cov, smoothness_step)
    bias_trace, bias_empty, var_trace, var_empty, cov, smoothness_step = floats(
        bias_trace, bias_empty, var_trace, var_empty, cov, smoothness_step
    )
    apart = bias_empty - bias_trace
    numerator = dot(bias_empty, apart) + smoothness_step * (var_empty - cov)
    rest = smoothness_step * (var_trace - cov) - dot(bias_trace, apart)
    check_apart(numerator + rest)
    return numerator, rest


def check_apart(denominator: Array) -> None:
    """Raise ValueError where the mean squared distance of the estimators is 0 (or, by rounding, below)."""
    xp = namespace(denominator)
    if not is_traced(denominator) and not bool(xp.all(denominator > 0)):
        raise ValueError(
            f"mean squared distance of the two estimators = {float(xp.min(denominator)):g}: must be positive; "
            "where they coincide, every weight gives the same error"
        )


def _check_moments(
    bias_trace: Array, bias_empty: Array, var_trace: Real, var_empty: Real, cov: Real, smoothness_step: Real
) -> None:
    bias_trace, bias_empty = floats(bias_trace, bias_empty)
    _check_vectors(bias_trace=bias_trace, bias_empty=bias_empty)
    _check_spreads(var_trace, var_empty, cov)
    check_positive(smoothness_step=smoothness_step)
    numbers = {"var_trace": var_trace, "var_empty": var_empty, "cov": cov, "smoothness_step": smoothness_step}
    check_broadcast(**{"bias_trace[..., 0]": bias_trace[..., 0]}, **numbers)


def _check_vectors(**named: Array) -> None:
    check_same_shape(**named)
    check_last_axis("dimensions", **named)
    check_finite(**named)


def _check_spreads(var_trace: Real, var_empty: Real, cov: Real) -> None:
    check_between(0.0, float("inf"), var_trace=var_trace, var_empty=var_empty)
    check_finite(var_trace=var_trace, var_empty=var_empty, cov=cov)


def dot(x: Array, y: Array) -> Array:
    """Inner products along the last axis."""
    return namespace(x, y).sum(x * y, axis=-1)


def unit_interval(weight: Array) -> Array:
    """The nearest weight in [0, 1]."""
    xp = namespace(weight)
    return xp.minimum(xp.maximum(weight, xp.zeros_like(weight)), xp.ones_like(weight))
