r"""Explicit finite-sample bounds for the robust estimate: its error, and the reward it loses.

Source: `rdpo`, C5 and C7. The paper's theorems have the same form; the constants here are derived, with proofs in the
docstrings.
"""

from jaxtyping import Float

from lab.arrays import Array, Real, check_between, check_flip_rate, check_positive, floats, namespace
from lab.objectives.logistic import dpo_curvature


def least_curvature(margin: Real) -> Float[Array, "..."]:
    r"""$\gamma = \sigma(b)\sigma(-b) = 1/(2+e^{b}+e^{-b})$: least second derivative of the DPO loss on margins $|h|
    \le b$.

    Raises ValueError for a negative margin.
    """
    check_between(0.0, float("inf"), margin=margin)
    return dpo_curvature(margin, beta=1.0)


def error_bound(
    size: Real,
    *,
    dimension: Real,
    beta: Real,
    flip_rate: Real,
    margin: Real,
    delta: Real,
    penalty: Real = 0.0,
    length: Real = 0.0,
) -> Float[Array, "..."]:
    r"""With probability at least $1-\delta$ over the labels, $\|\hat\theta_n-\theta^*\|_{\hat\Sigma+\lambda I} \le$
    $$\frac{1}{2\gamma\beta(1-2\varepsilon)}\sqrt{\frac{d + 2\sqrt{d\log(1/\delta)} + 2\log(1/\delta)}{n}}
      + \sqrt\lambda\,\|\theta^*-\theta_0\|.$$

    `margin` bounds $|h|$ over the ball in which the estimate is sought ($4\beta LB$ for $\|\phi\|\le L$,
    $\|\theta\|\le B$) and gives $\gamma$ (`least_curvature`). Proof: the loss is $\gamma\beta^2$-strongly convex in
    $\hat\Sigma$-norm on the ball; its score at the truth is $\beta n^{-1}X^\top v$ with independent zero-mean $v_i$
    on an interval of width $1/(1-2\varepsilon)$, hence sub-Gaussian; the quadratic form has the Hsu–Kakade–Zhang
    tail.

    `penalty` is $\lambda$ and `length` the norm of the true shift, for the estimate of the loss plus
    $\tfrac12\gamma\beta^2\lambda\|\theta-\theta_0\|^2$ (`ridge` of `fit` is $\gamma\beta^2\lambda$). Proof: the sum is
    $\gamma\beta^2$-strongly convex in the norm of $A = \hat\Sigma+\lambda I$; its gradient at the truth gains
    $\gamma\beta^2\lambda(\theta^*-\theta_0)$, whose norm in $A^{-1}$ is at most $\gamma\beta^2\sqrt\lambda$ times the
    length; and $\hat\Sigma^{1/2}A^{-1}\hat\Sigma^{1/2} \preceq I$. Raises ValueError outside the legal ranges.
    Source: `rdpo`, C5 (derived).
    """
    check_positive(size=size, dimension=dimension, beta=beta)
    check_flip_rate(flip_rate)
    check_between(0.0, 1.0, open_low=True, delta=delta)
    check_between(0.0, float("inf"), margin=margin, penalty=penalty, length=length)
    given = (size, dimension, beta, flip_rate, margin, delta, penalty, length)
    size, dimension, beta, flip_rate, margin, delta, penalty, length = floats(*given)
    xp = namespace(size, dimension, beta, flip_rate, margin, delta, penalty, length)
    tail = -xp.log(delta)
    reach = xp.sqrt((dimension + 2.0 * xp.sqrt(dimension * tail) + 2.0 * tail) / size)
    spread = reach / (2.0 * least_curvature(margin) * beta * (1.0 - 2.0 * flip_rate))
    return spread + xp.sqrt(penalty) * length


def reward_bound(error: Real, *, reward_range: Real, coverage: Real) -> Float[Array, "..."]:
    r"""$|r(\pi_{\theta^*}) - r(\pi_{\hat\theta})| \le \tfrac12
    r_{\max}\sqrt{\kappa'}\,\|\hat\theta-\theta^*\|_{\Sigma_{\pi_0}}$.

    `coverage` is $\kappa'$ (`segment_coverage`, or anything larger), `reward_range` the largest spread of the reward
    in a context. Proof: reward difference ≤ range × total variation; Pinsker and Jensen; $\mathrm{KL} \le
    \tfrac12\kappa'\|\cdot\|^2$ along the segment. Raises ValueError for negative input. Source: `rdpo`, C7 (derived).
    """
    check_between(0.0, float("inf"), error=error, reward_range=reward_range, coverage=coverage)
    error, reward_range, coverage = floats(error, reward_range, coverage)
    xp = namespace(error, reward_range, coverage)
    return 0.5 * reward_range * xp.sqrt(coverage) * error


def segment_coverage(
    features: Float[Array, "... contexts actions features"],
    context_probabilities: Float[Array, "... contexts"],
    log_reference: Float[Array, "... contexts actions"],
    log_policy: Float[Array, "... contexts actions"],
    direction: Float[Array, "... features"],
    *,
    points: int = 32,
) -> Float[Array, "..."]:
    r"""$\kappa' \ge \max_{0\le t\le1} \|\delta\|^2_{\Sigma_{\pi_t}} / \|\delta\|^2_{\Sigma_{\pi_0}}$, with $\pi_t
    \propto \pi e^{t\phi^\top\delta}$.

    How much further the features spread along the direction of the error $\delta$ on the way from the optimum to the
    estimate than they do under the reference. Between the evaluated points the variance grows at most by $e^{R|\Delta
    t|}$, $R$ the largest spread of $\phi^\top\delta$ in a context, so the result is an upper bound, not a guess,
    and at most that factor too large. Raises ValueError for fewer than one point. Source: `rdpo`, C7 (derived).
    """
    check_between(1.0, float("inf"), points=points)
    xp = namespace(features, direction)
    along = xp.sum(features * direction[..., None, None, :], axis=-1)

    def spread(log_p: Array) -> Array:
        weight = xp.exp(log_p - xp.max(log_p, axis=-1, keepdims=True))
        weight = weight / xp.sum(weight, axis=-1, keepdims=True)
        centred = along - xp.sum(weight * along, axis=-1, keepdims=True)
        return xp.sum(context_probabilities * xp.sum(weight * centred**2, axis=-1), axis=-1)

    largest = spread(log_policy)
    for k in range(1, points + 1):
        largest = xp.maximum(largest, spread(log_policy + (k / points) * along))
    extent = xp.max(xp.max(along, axis=-1) - xp.min(along, axis=-1), axis=-1)
    return largest * xp.exp(extent / (2 * points)) / spread(log_reference)
