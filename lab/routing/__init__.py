"""Load balancing of sparse mixtures of experts by biases: routing, its assignment problem, update rules, noise floor.

    selection       biased top-K routing, loads, gates; the rule for ties
    lagrangian      the assignment problem's Lagrangian and dual function, and what one update does to them
    optimum         the linear program, an exact solver for large batches, optimal biases with their certificate
    rules           the update rules as a table with one interface
    balance         MaxVio, capacity, the noise floor
    auxiliary       the auxiliary loss with its conventions
    expert_choice   what Expert Choice routing reveals about later tokens
    uniform_scores  independent uniform scores, where expectation, gradient and Hessian are exact
    regret          closed forms of the regret of the update rules
    jitter          how far from balance constant rates leave the biases
    worlds, online  fixed batches and streams, and the procedure on them in compiled loops
    load_streams    batches of any size, whose loads are drawn at once
    router          a small router trained by exact gradients
    advice          what to set for a log of router scores

Sources: `alf-lb` (arXiv 2512.03915) and Wang et al. (arXiv 2408.15664).
"""
