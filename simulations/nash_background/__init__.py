"""Evidence for the learning dynamics that the papers on Nash preference games build on, and compare themselves with.

averages      multiplicative weights and optimism without regularisation: the spiral, and bounds for averages
bilinear      the same methods on the simplest saddle, where each factor is a complex number
rates         the factor of every solver near an equilibrium, measured
regularised   Nash-MD, magnetic mirror descent, predictive updates: bounds a step, decreasing steps, bias
proximal      the proximal point method (COMAL), and what needs no regularisation at all
who_passes      which method passes which test on which game
"""
