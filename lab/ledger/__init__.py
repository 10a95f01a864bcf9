"""The ledger: papers, claims, evidence and controls, judged and stored."""
