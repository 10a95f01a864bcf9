"""Evidence for ALF-LB, "A Theoretical Framework for Auxiliary-Loss-Free Load Balancing" (arXiv 2512.03915), and for the
procedure itself (Wang et al., arXiv 2408.15664).

duality       the linear program, its dual, and when exact balance exists
updates       one update: the Lagrangian, who moves where
iterations    many updates on one batch: the band around balance, start-up and fluctuation
curvature     the expected dual function: a graph Laplacian, stability of its gradient steps
regret        a stream of batches: which step sizes have logarithmic regret, and which constants
drift         scores that move, start-up against fluctuation, the copied sign error
noise         how balanced a batch can be; what Expert Choice reveals
auxiliary     the auxiliary loss: its minimum, its gradient at balance
router        a trained router: the trade-off of the auxiliary loss
advice        what the advice for a log of scores does on the stream that the log is from
findings      shares of runs and ratios to a prediction, as several modules judge them
rules         sign, proportional and multiplicative updates on a stream of large batches
trained_rules what the rule costs the task of a trained router
"""
