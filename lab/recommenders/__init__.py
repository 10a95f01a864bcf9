"""Learning relevance from clicks that are missing not at random, and worlds in which the truth is known.

    losses              losses for relevance learned from clicks: a pair of weights for each user–item pair
    moments             exact bias and variance of the estimators of the ideal loss
    propensity          propensities of exposure: popularity, clipping, posterior exposure
    clipping            the error as a function of the clip, and its exact minimum
    clip_advice         which clip to use for a log at hand
    inverse_propensity  the mean reward under another policy, from a log
    intervals           intervals for it that may be trusted
    factorisation       matrix factorisation on any of the losses, many models at once
    metrics             ranking metrics with their conventions
    exposure            worlds of exposure and relevance whose click patterns are enumerated
    logs                a logging policy that shows one item a row
    ratings             a made-up world of film ratings
    semi_synthetic      a world made from real ratings

Source: `mnar-clipped`.
"""
