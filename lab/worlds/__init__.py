"""Small universes in which the truth is known."""
