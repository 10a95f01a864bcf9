"""The checker: accepts or rejects certificate files in exact arithmetic, and imports nothing else of this project."""

from proofs_check.checker.algebra import Rejected
from proofs_check.checker.certificate import FORMAT, certificate, check, parse, part, read, seal

__all__ = ["FORMAT", "Rejected", "certificate", "check", "parse", "part", "read", "seal"]
