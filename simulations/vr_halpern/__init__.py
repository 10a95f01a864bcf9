"""Evidence for variance-reduced Halpern iteration (arXiv 2310.02987v2): finite-sum monotone inclusions.

classical     Halpern's tight rate, its certificate and its worst case; Krasnoselskii–Mann
baselines     gradient descent, forward steps, extragradient with and without an anchor
algorithm_1   the potential and the rate by exact second moments; PAGE
cost          evaluations against the number of components, the break-even, restarts
algorithm_2   the inner solver, the outer iterations, where the residual must be measured
comonotone    resolvents of operators that are not monotone
infinite_sum  the precursor's setting: noise without a finite sum
experiments   the authors' two experiments with all five methods
regression    robust and constrained regression on real data
"""
