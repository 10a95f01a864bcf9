"""Robust DPO.

losses   what the algebra of the flip correction proves for every flip rate and margin
theory   where the losses fall without end, the constants of their rates, and the policies that they end at
words    symbols, losses and assumptions of both
"""
