"""Learning relevance from clicks that are missing not at random: losses, exact moments, propensities, clipping."""
