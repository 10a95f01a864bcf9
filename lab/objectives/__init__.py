"""Preference losses: pure functions of a pair's margin (or a ranking's log-ratios), one file a family.

    logistic    dpo, conservative_dpo, robust_dpo, noisy_likelihood_dpo; gradient weights; tabular minimisers
    squared     ipo, robust_ipo
    hinge       hinge, robust_hinge
    probit      probit, robust_probit
    listwise    plackett_luce_dpo, robust_plackett_luce_dpo
    noise       robust and conservative: corrections for any pairwise loss under random flips
    pairwise    the margin of a pair from four log-probabilities
    existence   when robust DPO has a minimiser on given data
    conventions translations between papers and libraries
    table       every loss with its properties

Conventions: margins are unscaled, in nats, chosen minus rejected; `beta` scales them; no reduction over pairs is made.
"""
