"""Small universes in which the truth is known, shared by several papers; others live with their topic."""
