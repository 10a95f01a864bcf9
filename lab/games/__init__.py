"""Two-player preference games: exact equilibria, duality gaps, and solvers that play against themselves.

The games and their equilibria
  game          the world: advantage matrix, reference policy, KL weight; games with names
  families      families of random games
  interior      games whose unregularised equilibrium is known exactly and plays every action
  multiplayer   games of n players
  gaps          how far a policy is from equilibrium, in stable closed forms
  equilibria    the equilibrium with and without regularisation, each with a certificate of its own error
  votes         all of it from a matrix of real votes, with uncertainty

The methods
  solvers       one table of update rules with one interface: mirror descent, extragradient, optimism, Nash-MD, …
  play          runs of a solver, compiled, for many games at once, with exact or noisy payoffs
  protocol      five methods on the same games in one compiled call: the published comparison, exact gradients
  sampled_protocol  the same with sampled gradients, whose losses stand in sampled_losses
  actions_first     what the two share
  losses        the losses whose minimisers and gradients these updates are, with distances from divergences
  selection     the pairs that they are trained on
  conventions   step sizes and targets of one paper in the terms of another

The theory
  local         exact rates and stability limits near an equilibrium
  stability     the largest stable step in a game at hand, and the warning beyond it
  regret        bounds on averages and last iterates
  sampling_floor  how far from the equilibrium sampled gradients leave the play
  acceleration  the exact law of momentum
  history       policies of the past as opponents

Policies are log-probabilities in nats, actions last, games lead. A payoff is the win rate $P\\pi$ or anything that
differs from it by a constant: updates are the same. Source: `nash-background`.
"""
