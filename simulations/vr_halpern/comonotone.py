r"""Beyond monotone operators: Halpern iteration on resolvents of co-monotone ones, a statement of our own.

F is ρ-co-monotone when $\langle F(u)-F(w), u-w\rangle \ge \rho\|F(u)-F(w)\|^2$; for ρ < 0 it need not be monotone. With
$J = (I+\eta F)^{-1}$ and $R = I - J = \eta F(J)$ this reads
$\langle Ru-Rw, Ju-Jw\rangle \ge \frac\rho\eta\|Ru-Rw\|^2$, so that, with $u = Ju + Ru$,

$$\|u-w\|^2 \ge \|Ju-Jw\|^2 + \bigl(1+\tfrac{2\rho}\eta\bigr)\|Ru-Rw\|^2:$$

the resolvent is nonexpansive for η ≥ −2ρ, and Halpern's rate holds as it stands.
"""

from lab.arrays import namespace
from lab.family import family, log_uniform, normal, uniform
from lab.ledger.evidence import evidence
from lab.ledger.findings import at_most
from lab.operators import steps
from lab.operators.planar import PlanarOperator, norm
from simulations.vr_halpern.algorithm_2 import resolvent

# Scaled rotations by more than a quarter turn: none of them is monotone.
beyond = family(
    PlanarOperator, size=log_uniform(0.1, 1.0, shape=(2,)), angle=uniform(1.6, 2.6, shape=(2,)), bend=uniform(0.0, 0.0),
    radius=uniform(1.0, 1.0), solution=normal(1, shape=(4,)), start=normal(1, shape=(4,)),
)  # fmt: skip


@evidence("vr-halpern/comonotone-resolvents", kind="exact", over=beyond, size=128)
def residual_with_comonotone_operators(world: PlanarOperator, stretch: float = 1.0):
    """Rotations by 92° to 149°, η = −2ρ and −4ρ: ‖F(v_k)‖ ≤ 2D/(η(k+1)) at v_k = J(u_k), k ≤ 60."""
    xp = namespace(world.size)
    ratio = -xp.cos(world.angle) / world.size
    lack = xp.max(ratio, axis=-1)  # −ρ
    findings = []
    for factor in (2.0, 4.0):
        step = stretch * factor * lack
        point = world.start
        for k in range(61):
            output = resolvent(world, point, step[:, None])
            point = steps.halpern(output, world.start, iteration=k + 1)
            if k in (0, 1, 3, 10, 30, 60):
                findings.append(at_most(norm(world.operator(output)), 2.0 * world.distance() / (step * (k + 1.0))))
    return tuple(findings)


residual_with_comonotone_operators.control("half as long steps, below −2ρ: the resolvent expands", stretch=0.5)
