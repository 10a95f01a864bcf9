"""Real data: where each set comes from, how to get it, and a fingerprint of what was read."""
