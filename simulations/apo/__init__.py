"""Evidence for APO, "Accelerated Preference Optimization" (arXiv 2410.06293v1): momentum on iterative DPO and SPPO.

law      where T steps of momentum lead when the reward is exact, and what leads there without momentum
bounds   sub-optimality and total variation after T steps: bounds, worst case, order
noise    rewards fitted to labels: signal, noise, and when momentum is too fast
games    general preferences: faster in transitive games, further out in cyclic ones
proxy    a proxy in place of the reward: where faster travel goes
"""
