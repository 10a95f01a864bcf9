"""What the proofs about robust DPO have in common: its symbols, its losses and their assumptions."""

from proofs_check.writing import positive

# ℓ(h) = −log σ(h) and ℓ(−h), σ(h), the robust and the conservative loss.
MARGIN = {"h": "scaled margin in the clean orientation"}
RATE = {"e": "flip rate"}
LOGISTIC = {
    "E": "exp(h)",
    "loss": "log(1 + 1/E)",
    "other": "log(1 + E)",
    "s": "E/(1 + E)",
}
ROBUST = {"robust": "((1 - e)*loss - e*other)/(1 - 2*e)"}
ASSUMED = {"robust": "((1 - a)*loss - a*other)/(1 - 2*a)"}  # with the flip rate a
CONSERVATIVE = {"conservative": "(1 - e)*loss + e*other"}
SWAP = {"log(1 + E)": "h + log(1 + 1/E)"}  # ℓ(−h) = ℓ(h) + h, because 1 + e^h = e^h (1 + e^(−h))
EXPONENTIAL = positive("exp_h", "E", "an exponential")
MORE_THAN_ONE = positive("one_more", "1 + E", "one more than an exponential")
BELOW_HALF = positive("below_half", "1 - 2*e", "the flip rate is below one half")
SOME_FLIPS = positive("some_flips", "e", "the flip rate is positive")
FLIPPED = "(1 - e)*({0}) + e*at({0}, h=-h)"
SHARE = {"p": "clean preference probability"} | RATE
OBSERVED = {"q": "(1 - 2*e)*p + e"}
POPULATION = "q*({0}) + (1 - q)*at({0}, h=-h)"
