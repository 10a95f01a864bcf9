"""A digest of everything a result depends on: the code that computed it, its data, and the versions of the libraries.

The code is the transitive closure of static imports of the evidence's module inside the project's packages, found by
reading source files, never by importing them; the package files on the way and the judges are part of it. Editing any
of these files makes the results that depend on them stale, and no others.
"""

import ast
import hashlib
import importlib.util
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

# How a unit runs and is judged is code that every result depends on.
JUDGES = "lab.ledger.unit"
PACKAGES = ("lab", "simulations")
LIBRARIES = ("numpy", "scipy", "jax", "jaxlib", "optax", "array-api-compat", "python-flint")


def digest(*parts: str) -> str:
    """A digest of texts in order."""
    total = hashlib.sha256()
    for part in parts:
        data = part.encode()
        total.update(len(data).to_bytes(8, "big") + data)
    return total.hexdigest()


@cache
def code(module: str) -> str:
    """Digest of the code that evidence in this module depends on."""
    closure = sorted(files(module).items())
    return digest(*(part for name, file in closure for part in (name, _file_digest(file))))


@cache
def files(module: str) -> dict[str, Path]:
    """The modules that evidence in this module depends on, with their files."""
    packages = {*PACKAGES, module.partition(".")[0]}
    found: dict[str, Path] = {}
    waiting = [module, JUDGES]
    while waiting:
        name = waiting.pop()
        if name in found or name.partition(".")[0] not in packages:
            continue
        file = _source(name)
        if file is None:
            continue
        found[name] = file
        waiting += [*_ancestors(name), *_imports(name, file)]
    return found


@cache
def versions() -> dict[str, str]:
    """Versions that a result's bits may depend on."""
    found = {"python": ".".join(platform.python_version_tuple()[:2])}
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            found[library] = "none"
    return found


@cache
def _file_digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


@cache
def _source(name: str) -> Path | None:
    """The file of a module, or None when the name is no module (a function in one, or not there)."""
    top, *rest = name.split(".")
    spec = importlib.util.find_spec(top)
    if spec is None or (spec.origin is None and not spec.submodule_search_locations):
        return None
    if not rest:
        return Path(spec.origin) if spec.origin else None
    for folder in spec.submodule_search_locations or []:
        path = Path(folder, *rest)
        for file in (path.with_suffix(".py"), path / "__init__.py"):
            if file.is_file():
                return file
    return None


def _ancestors(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:i]) for i in range(1, len(parts))]


@cache
def _imports(name: str, file: Path) -> tuple[str, ...]:
    """The modules that a file imports, wherever in the file; `from a import b` may mean the module a.b."""
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    found = []
    for node in ast.walk(ast.parse(file.read_bytes(), filename=str(file))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base] if base else above)
            found += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    return tuple(found)
