"""Provably Robust DPO (`rdpo`): the losses pair by pair, estimation in log-linear worlds, and real choices."""
