"""Certificates from their producers: SymPy derives what a draft leaves to it, and confirms every equation."""

import pkgutil
from importlib import import_module

from lab.ledger.errors import LabError
from proofs_check.confirming import confirm
from proofs_check.deriving import derived


def texts(name: str) -> dict[str, str]:
    """File names and texts of all drafts of a module here, as `papers.egpo`, or of all modules of a package."""
    package = import_module(f"proofs_check.{name}")
    inside = sorted(module.name for module in pkgutil.iter_modules(getattr(package, "__path__", [])))
    modules = [package, *(import_module(f"{package.__name__}.{module}") for module in inside)]
    found: dict[str, str] = {}
    for draft in (derived(draft) for module in modules if hasattr(module, "drafts") for draft in module.drafts()):
        confirm(draft)
        if found.setdefault(f"{draft.name}.toml", text := draft.text()) != text:
            raise LabError(f"{name}: two drafts are named {draft.name!r}")
    return found
