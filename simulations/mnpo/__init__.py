"""Evidence for MNPO, "Multiplayer Nash Preference Optimization" (arXiv 2509.23102v3).

losses        the loss behind the step, and its labelled form: constants, and what it takes
gaps          the multiplayer gap, one against many, and what makes the equilibrium unique
averages      averages of play, and what "no regret" does not give with three players
players       how the players merge
history       past policies and references as opponents
reductions    the table of special cases, row by row
practice      sampled pairs, and players with oracles of their own
"""
