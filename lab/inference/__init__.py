"""Judges: running error analysis for exact checks, anytime-valid confidence sequences, rates, and the error
budget."""
