r"""Small random operators and maps whose constants are known in closed form, for checks over many worlds at once.

Points are (..., 2 blocks); every block is a plane. All functions run on any array library, also on arrays that track
their rounding.
"""

from jaxtyping import Float

from lab.arrays import Array, Real, beside, namespace
from lab.family import world


def turned(u: Float[Array, "... dim"], angle: Float[Array, "... blocks"], size: Real = 1.0) -> Float[Array, "... dim"]:
    """Every plane of u rotated by its angle and scaled."""
    xp = namespace(u, angle)
    x, y = u[..., 0::2], u[..., 1::2]
    cos, sin = size * xp.cos(angle), size * xp.sin(angle)
    both = xp.stack([cos * x - sin * y, sin * x + cos * y], axis=-1)
    return xp.reshape(both, (*both.shape[:-2], 2 * both.shape[-2]))


def cut(u: Float[Array, "..."], radius: Real) -> Float[Array, "..."]:
    """Every coordinate cut to [−radius, radius]: nonexpansive, and 1-cocoercive."""
    xp = namespace(u)
    return xp.minimum(xp.maximum(u, -radius), radius)


@world
class PlanarMap:
    """$T(u) = x_* + R\\,\\mathrm{cut}(u - x_*)$: nonexpansive, with fixed point `solution`."""

    angle: Float[Array, "... blocks"]
    radius: Float[Array, "..."]
    solution: Float[Array, "... dim"]
    start: Float[Array, "... dim"]

    def apply(self, u: Float[Array, "... dim"], *, expansion: float = 1.0) -> Float[Array, "... dim"]:
        """T(u); `expansion` scales R, beyond 1 the map expands."""
        return self.solution + turned(cut(u - self.solution, beside(self.radius)), self.angle, expansion)

    def distance(self) -> Float[Array, "..."]:
        return norm(self.start - self.solution)


@world
class PlanarOperator:
    r"""$F(u) = hR_\theta u + c\,\mathrm{cut}(u)$ around `solution`: monotone for |θ| ≤ π/2, cocoercive below it.

    Constants: Lipschitz $\max h + c$; cocoercive $\max\frac{h}{\cos\theta} + c$ (a sum of a 1/L₁- and a 1/L₂-cocoercive
    operator is 1/(L₁+L₂)-cocoercive).
    """

    size: Float[Array, "... blocks"]
    angle: Float[Array, "... blocks"]
    bend: Float[Array, "..."]
    radius: Float[Array, "..."]
    solution: Float[Array, "... dim"]
    start: Float[Array, "... dim"]

    def operator(self, u: Float[Array, "... dim"]) -> Float[Array, "... dim"]:
        away = u - self.solution
        return turned(away, self.angle, self.size) + beside(self.bend) * cut(away, beside(self.radius))

    def lipschitz(self) -> Float[Array, "..."]:
        return namespace(self.size).max(self.size, axis=-1) + self.bend

    def cocoercivity(self) -> Float[Array, "..."]:
        xp = namespace(self.size)
        return xp.max(self.size / xp.cos(self.angle), axis=-1) + self.bend

    def distance(self) -> Float[Array, "..."]:
        return norm(self.start - self.solution)


def norm(u: Float[Array, "... dim"]) -> Float[Array, "..."]:
    r"""$\|u\|$ along the last axis."""
    xp = namespace(u)
    return xp.sqrt(xp.sum(u * u, axis=-1))
