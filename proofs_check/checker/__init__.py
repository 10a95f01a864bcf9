"""The checker: accepts or rejects certificate files in exact arithmetic, and imports nothing else of this project."""

from proofs_check.checker.certificate import FORMAT, Certificate, certificate, check, parse, read, seal
from proofs_check.checker.errors import Rejected

__all__ = ["FORMAT", "Certificate", "Rejected", "certificate", "check", "parse", "read", "seal"]
