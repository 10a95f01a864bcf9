"""What the proofs of several papers share: certificates that name claims of several papers, and parts of proofs."""
