"""Halpern iteration.

halpern            the rate and its certificate for every N, the tight instance, and fast extragradient
variance_reduced   the potential of Algorithm 1, its last iterate, and PAGE
noise_condition    for which numbers of components the noise is small enough
worst_cases        averaged steps and gradient descent, for single numbers of steps, from semidefinite programs
"""
