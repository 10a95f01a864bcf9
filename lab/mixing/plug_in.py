r"""The best mixing weight estimated from sampled gradients, with its standard error.

Numerator and denominator of the best weight are means and covariances of sampled vectors, estimated without bias
(a squared mean minus its own noise); their ratio gets a standard error by the delta method, first order: too small when
the samples are few or the squared bias is far below its noise.

Over which randomness the weight is best is the choice of the function: `weight_per_pair` sees the traces of one fixed
pair, `weight_over_data` sees pairs. Without a known `target` both take the trace gradient as unbiased, which is exact
at initialisation only (`bvpo`, C7). Source: `bvpo`, C9 (derived).
"""

from typing import NamedTuple

from jaxtyping import Float

from lab.arrays import (
    Array,
    Real,
    beside,
    check_broadcast,
    check_finite,
    check_last_axis,
    check_positive,
    check_same_shape,
    floats,
    namespace,
)
from lab.mixing.closed_form import Moments, check_apart, dot, unit_interval


class PlugIn(NamedTuple):
    """Estimated weight in [0, 1], the ratio before clipping, its standard error; unbiased estimates of its parts."""

    weight: Array
    unclipped: Array
    standard_error: Array
    numerator: Array
    denominator: Array


class _Estimate(NamedTuple):
    """A statistic (...) and the influence of each sample on it (..., samples)."""

    value: Array
    influence: Array


def sample_moments(
    trace: Float[Array, "... samples dim"],
    empty: Float[Array, "... samples dim"],
    target: Float[Array, "... dim"],
) -> Moments:
    """Moments of both estimators from joint samples, where the target is known; covariances without bias (n − 1).

    What the samples vary over is what the moments are over. Raises ValueError for fewer than two samples, numbers that
    are not finite, or shapes that do not agree.
    """
    trace, empty, target = floats(trace, empty, target)
    _check_samples(trace, empty=empty)
    _check_one_a_problem(trace, target=target)
    xp = namespace(trace)
    return Moments(
        xp.mean(trace, axis=-2) - target,
        xp.mean(empty, axis=-2) - target,
        _covariance(trace, trace).value,
        _covariance(empty, empty).value,
        _covariance(trace, empty).value,
    )


def weight_per_pair(
    trace: Float[Array, "... samples dim"],
    empty: Float[Array, "... dim"],
    *,
    target: Float[Array, "... dim"] | None = None,
    smoothness_step: Real = 1.0,
) -> PlugIn:
    r"""Best weight of one pair from k ≥ 2 trace gradients of it, where the empty-trace gradient is a constant.

    Estimates $\|b_e\|^2 / (\|b_e\|^2 + \rho S_t)$ with $\|\bar g_t - g_e\|^2 - \hat S_t/k$ for $\|b_e\|^2$; with a
    known `target` the general ratio. Raises ValueError for fewer than two traces, numbers that are not finite, shapes
    that do not agree, and where the estimators coincide.
    """
    trace, empty, target, smoothness_step = _floats(trace, empty, target, smoothness_step)
    check_positive(smoothness_step=smoothness_step)
    _check_samples(trace)
    _check_one_a_problem(trace, empty=empty, target=target)
    check_broadcast(smoothness_step=smoothness_step, **{"trace[..., 0, 0]": trace[..., 0, 0]})
    apart = trace - empty[..., None, :]
    return _ratio(apart, _covariance(apart, apart), None, empty, target, smoothness_step)


def weight_over_data(
    trace: Float[Array, "... samples dim"],
    empty: Float[Array, "... samples dim"],
    *,
    batch: Real,
    target: Float[Array, "... dim"] | None = None,
    smoothness_step: Real = 1.0,
) -> PlugIn:
    r"""Best weight of a minibatch of `batch` pairs from n ≥ 2 independent pairs, one trace and one empty gradient each.

    Estimates $\frac{\|b_e\|^2 + \rho(S_e - S_{te})/B}{\|b_e\|^2 + \rho(S_t + S_e - 2S_{te})/B}$, $b_e$ from the mean
    difference. Raises ValueError for fewer than two pairs, numbers that are not finite, shapes that do not agree, and
    where the estimators coincide.
    """
    trace, empty, target, smoothness_step = _floats(trace, empty, target, smoothness_step)
    check_positive(batch=batch, smoothness_step=smoothness_step)
    _check_samples(trace, empty=empty)
    _check_one_a_problem(trace, target=target)
    check_broadcast(smoothness_step=smoothness_step, batch=batch, **{"trace[..., 0, 0]": trace[..., 0, 0]})
    apart = trace - empty
    mean_empty = namespace(empty).mean(empty, axis=-2)
    return _ratio(
        apart, _covariance(apart, apart), _covariance(-empty, apart), mean_empty, target, smoothness_step / batch, empty
    )


def _ratio(
    apart: Array,
    spread: _Estimate,
    shared: _Estimate | None,
    mean_empty: Array,
    target: Array | None,
    noise: Real,
    empty: Array | None = None,
) -> PlugIn:
    """(‖b_e‖² or ⟨b_e, b_e − b_t⟩, + noise · shared) / (‖b_t − b_e‖² + noise · spread)."""
    xp = namespace(apart)
    distance = _squared_mean(apart, spread)
    # A squared distance that its own noise explains counts as 0 in the weight; the parts are returned as they are.
    surely = distance._replace(value=xp.maximum(distance.value, xp.zeros_like(distance.value)))
    if target is None:
        numerator = distance
    else:
        # ⟨b_e, b_e − b_t⟩ with the mean difference; an estimated b_e shares its noise: the covariance removes it.
        bias_empty, mean = mean_empty - target, xp.mean(apart, axis=-2)
        value = -dot(bias_empty, mean)
        influence = -dot(bias_empty[..., None, :], apart) - value[..., None]
        if shared is not None and empty is not None:
            value = value - shared.value / apart.shape[-2]
            influence = influence - dot(empty - mean_empty[..., None, :], mean[..., None, :])
        numerator = _Estimate(value, influence)
    over = surely if target is None else numerator
    if shared is not None:
        numerator, over = _plus(numerator, shared, noise), _plus(over, shared, noise)
    denominator, under = _plus(distance, spread, noise), _plus(surely, spread, noise)
    check_apart(under.value)
    ratio = over.value / under.value
    influence = (over.influence - ratio[..., None] * under.influence) / under.value[..., None]
    samples = apart.shape[-2]
    error = xp.sqrt(xp.sum(influence * influence, axis=-1) / (samples * (samples - 1)))
    return PlugIn(unit_interval(ratio), ratio, error, numerator.value, denominator.value)


def _squared_mean(x: Array, spread: _Estimate) -> _Estimate:
    """‖E x‖²: the squared sample mean less its own noise."""
    mean = namespace(x).mean(x, axis=-2)
    square = dot(mean, mean)
    return _Estimate(square - spread.value / x.shape[-2], 2.0 * (dot(x, mean[..., None, :]) - square[..., None]))


def _covariance(x: Array, y: Array) -> _Estimate:
    """Trace of Cov(x, y), without bias."""
    xp = namespace(x, y)
    products = dot(x - xp.mean(x, axis=-2, keepdims=True), y - xp.mean(y, axis=-2, keepdims=True))
    value = xp.sum(products, axis=-1) / (x.shape[-2] - 1)
    return _Estimate(value, products - xp.mean(products, axis=-1, keepdims=True))


def _plus(first: _Estimate, second: _Estimate, factor: Real) -> _Estimate:
    value, factor = floats(second.value, factor)
    influence = second.influence * beside(factor)
    return _Estimate(first.value + factor * value, first.influence + influence)


def _floats(trace: Array, empty: Array, target: Array | None, number: Real) -> tuple[Array, Array, Array | None, Array]:
    if target is not None:
        trace, empty, target, number = floats(trace, empty, target, number)
        return trace, empty, target, number
    trace, empty, number = floats(trace, empty, number)
    return trace, empty, None, number


def _check_samples(trace: Array, **same: Array) -> None:
    """Raise ValueError unless the trace gradients are two or more finite vectors, and others like them."""
    if trace.ndim < 2 or trace.shape[-2] < 2 or trace.shape[-1] < 1:
        raise ValueError(
            f"trace has {tuple(trace.shape)}: needs at least 2 samples on the axis before the last, of 1 dimension"
        )
    check_same_shape(trace=trace, **same)
    check_finite(trace=trace, **same)


def _check_one_a_problem(trace: Array, **vectors: Array | None) -> None:
    """Raise ValueError unless the vectors are finite, one for each problem whose samples `trace` holds, or for all."""
    for name, vector in vectors.items():
        if vector is not None:
            check_last_axis("dimensions", **{name: vector, "trace[..., 0, :]": trace[..., 0, :]})
            check_finite(**{name: vector})
