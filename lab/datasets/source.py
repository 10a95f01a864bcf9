"""A data source: a vendored file, or a file inside an installed package."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path


class DataMissing(Exception):
    """A data package is not installed; the message names the command that installs it."""


@dataclass(frozen=True)
class Source:
    """A file at `path` below an importable package (which is located, never imported), and how to install it."""

    name: str
    package: str
    path: str
    install: str
    licence: str

    @cached_property
    def file(self) -> Path | None:
        """Where the file is, or None when the package is not installed."""
        try:
            spec = find_spec(self.package)
        except ModuleNotFoundError:
            return None
        for folder in (spec.submodule_search_locations or []) if spec else []:
            if (Path(folder) / self.path).is_file():
                return Path(folder) / self.path
        return None

    def require(self) -> Path:
        """The file's path. Raises DataMissing with the command that installs the package."""
        if self.file is None:
            raise DataMissing(f"{self.name} needs the package {self.package!r}: install it with `{self.install}`")
        return self.file

    def fingerprint(self) -> str:
        """Digest of the file's bytes: a result that depends on the data is current only for these bytes."""
        return hashlib.sha256(self.require().read_bytes()).hexdigest()
