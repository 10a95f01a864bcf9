"""Evidence for INPO, "Iterative Nash Policy Optimization" (arXiv 2407.00617): mirror descent against oneself.

regret        the step, the regret and its bound, averages: what the theorem says and how fast they really are
last_iterate  the per-step inequality, the decreasing steps of the theorem, constant steps, bounded log-ratios
losses        the loss with win rates, the loss with labels, other names of the same step
selection     training on the best and the worst of several responses
practice      wrong preferences, reward models, and what the regularised value says of win rates
"""
