"""Monotone operators and finite sums of them: classical, anchored and variance-reduced iterations.

    steps               one step of each method, as formulas over the array API
    methods, runs       the methods as state machines that count evaluations, and whole runs in one compiled loop
    problems            games, regressions, saddle problems and linear families; `finite_sums` has their exact constants
    projections         boxes and simplices, as resolvents
    schedules           anchors, resets, batches, bounds and costs of the variance-reduced Halpern iteration
    moments             Algorithm 1 without Monte Carlo: exact second moments on linear components
    resolvent_moments   the same for Algorithm 2 and its inner solver
    noisy               Halpern iteration with noisy values, and PAGE without a finite sum
    worst_cases         tight rates, the instances that attain them, and the identity behind Halpern's
    planar              small random operators whose constants are known in closed form
    advice              constants, checks and the break-even for one's own components
    limits              the warning for steps beyond theory

Source: `vr-halpern` (arXiv 2310.02987v2) and its precursor (arXiv 2203.09436).
"""
