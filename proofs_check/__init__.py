"""Proofs: certificates, the checker that is trusted with them, and the producers that make them.

checker                  accepts or rejects a certificate, and imports nothing else of the project
certificates             the files: a folder a paper, and `lemmas` for those that name claims of several papers
papers                   what makes a paper's certificates: `SLUG.py`, or a package `SLUG`
lemmas                   what the proofs of several papers share
writing, deriving        how a producer writes a certificate, and what SymPy derives for it
symbolic, confirming     the language of certificates in SymPy, which confirms every equation before it is written
rational                 exact certificates from the answers of a solver
making                   the texts of a producer's certificates
mutation, ledger, prove  a digit changed; certificates as evidence; the command `lab prove`
"""
