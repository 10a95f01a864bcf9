"""Evidence for EGPO, "Extragradient Preference Optimization" (arXiv 2503.08942v3): self-play towards an equilibrium.

contraction   every step brings extragradient nearer to the regularised equilibrium (Theorem A), and what follows
gaps          closed forms and bounds of the duality gap
rates         exact rates near the equilibrium; the step sizes at which mirror descent and extragradient leave it
stability     the map of stable settings; spirals in the simplex
noise         noisy and biased payoff queries
bias          the regularised equilibrium in the game without regularisation, and convergence to that game's equilibrium
losses        online IPO: its gradient is the extragradient step
protocol      the authors' simulations with tables and exact gradients
neural        the same with a small network
sampled       the same with tables and sampled gradients, and where theory says that they end
sampled_networks    with a network and sampled gradients
shared        log-linear policies with shared features: equal updates against equal queries
"""
