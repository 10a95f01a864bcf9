"""Two-player preference games: exact equilibria, duality gaps, and solvers that play against themselves.

game        the world: advantage matrix, reference policy, KL weight; named games and random families
gaps        how far a policy is from equilibrium, in stable closed forms
equilibria  the equilibrium with and without regularisation, each with a certificate of its own error
solvers     one table of update rules with one interface: mirror descent, extragradient, optimism, Nash-MD, …
local       exact rates and stability limits near an equilibrium
play        runs of a solver, compiled, for many games at once, with exact or noisy payoffs
losses      the losses whose minimisers and gradients these updates are

Policies are log-probabilities in nats, actions last, games lead. A payoff is the win rate $P\\pi$ or anything that
differs from it by a constant: updates are the same. Source: `nash-background`.
"""
