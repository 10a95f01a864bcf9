"""From names to units of work: which checks and controls there are, how much effort each gets, and under which key.

A key covers the settings, the seed, the code, the data and the versions that a result depends on. Planning imports the
papers' simulations and runs nothing.
"""

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from lab.datasets.source import DataMissing
from lab.inference import budget
from lab.ledger import catalogue, fingerprint
from lab.ledger.catalogue import Claim, Paper
from lab.ledger.errors import CatalogueError, LabError, UnknownName, suggestion
from lab.ledger.evidence import KINDS, Evidence, collect
from lab.ledger.unit import Unit

PACKAGE = "simulations"
PROOFS = "proofs_check.ledger"


@dataclass(frozen=True)
class Profile:
    """How much effort: a factor on the sizes of exact, rate and data checks, and the most chunks of a sampled one."""

    name: str
    factor: float
    chunks: int


PROFILES = {
    p.name: p for p in (Profile("quick", 0.25, 16), Profile("standard", 1.0, 128), Profile("thorough", 4.0, 1024))
}
OTHER = {"holds": "fails", "fails": "holds"}

Modules = Callable[[str], ModuleType]


@dataclass(frozen=True)
class Check:
    """A claim's check with its units of work: the check itself, and each of its controls."""

    paper: Paper
    claim: Claim
    evidence: Evidence
    main: Unit
    controls: tuple[Unit, ...]

    @property
    def units(self) -> tuple[Unit, ...]:
        return (self.main, *self.controls)


@dataclass(frozen=True)
class Plan:
    """The checks of the wanted claims, and those that were left out because data are missing (with the reason)."""

    checks: tuple[Check, ...]
    skipped: tuple[tuple[Claim, Evidence, str], ...] = ()

    @property
    def units(self) -> list[Unit]:
        return [unit for check in self.checks for unit in check.units]


def module_of(slug: str) -> ModuleType:
    """The paper's module or package in `simulations`, named like its slug with underscores."""
    name = f"{PACKAGE}.{slug.replace('-', '_')}"
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as problem:
        if problem.name != name:
            raise
        raise CatalogueError(f"{slug}: the catalogue lists this paper, but there is no module {name}") from None


def plan(
    names: Sequence[str] = (),
    profile: str = "standard",
    *,
    folder: Path | None = None,
    modules: Modules | None = None,
    skip_missing: bool = False,
) -> Plan:
    """The units of work for these papers and claims (all without names). Missing data are an error, or left out."""
    if profile not in PROFILES:
        known = ", ".join(PROFILES)
        raise UnknownName(f"no profile is named {profile!r}{suggestion(profile, PROFILES)}; there are {known}")
    papers = catalogue.load(folder, names)
    claims = catalogue.select(papers, list(names))
    checks: list[Check] = []
    skipped: list[tuple[Claim, Evidence, str]] = []
    for paper in (papers[slug] for slug in dict.fromkeys(claim.paper for claim in claims)):
        found = evidence_of(paper, modules or module_of)
        for claim in (c for c in claims if c.paper == paper.slug):
            for check in found[claim.id]:
                planned, lacking = units(paper, claim, check, profile)
                if planned is None:
                    skipped.append((claim, check, lacking))
                else:
                    checks.append(planned)
    if skipped and not skip_missing:
        reasons = "; ".join(dict.fromkeys(reason for _, _, reason in skipped))
        raise LabError(f"{reasons}; or leave these rows out with --skip-missing")
    return Plan(tuple(checks), tuple(skipped))


def evidence_of(paper: Paper, modules: Modules = module_of) -> dict[str, list[Evidence]]:
    """The evidence for each claim of a paper: every claim has some, with a control, and none is for another claim."""
    module = modules(paper.slug)
    found: dict[str, list[Evidence]] = {claim.id: [] for claim in paper.claims}
    named: set[str] = set()
    for check in [*_collect(module), *_proofs(paper.slug)]:
        where = f"{check.function.__module__}.{check.name}"
        if check.claim not in found:
            near = suggestion(check.claim, found)
            raise CatalogueError(f"{where}: {check.claim!r} is no claim of {paper.slug} in the catalogue{near}")
        # A certificate may stand for several claims; everything else is read by its name.
        if check.kind != "proof" and check.name in named:
            raise CatalogueError(f"{where}: {paper.slug} has two pieces of evidence of this name")
        named.add(check.name)
        if check.kind != "proof" and not check.function.__doc__:
            raise CatalogueError(f"{where}: needs a docstring that says what is done; `lab explain` shows it")
        texts = [control.text for control in check.controls]
        if len(set(texts)) < len(texts):
            raise CatalogueError(f"{where}: two controls have the same text")
        for control in check.controls:
            if control.expected not in (None, "holds", "fails", "undecided"):
                raise CatalogueError(f"{where}: a control expects {control.expected!r}, which is no verdict")
        found[check.claim].append(check)
    for claim, every in found.items():
        checks = [check for check in every if check.kind != "proof"]
        if not checks:
            raise CatalogueError(
                f"{claim}: the catalogue lists this claim, but {module.__name__} has no evidence for it"
            )
        if not any(check.controls for check in checks):
            raise CatalogueError(f"{claim}: none of its evidence in {module.__name__} has a control")
    return found


def _proofs(slug: str) -> list[Evidence]:
    """The certificates of a paper's claims, where the proofs are installed."""
    try:
        module = importlib.import_module(PROOFS)
    except ModuleNotFoundError as problem:
        if problem.name not in (PROOFS, PROOFS.partition(".")[0]):
            raise
        return []
    return list(module.evidence(slug))


def _collect(module: ModuleType) -> list[Evidence]:
    """The evidence of a module, or of all modules of a package."""
    modules = [module]
    if hasattr(module, "__path__"):
        names = sorted(entry.name for entry in pkgutil.iter_modules(module.__path__))
        modules += [importlib.import_module(f"{module.__name__}.{name}") for name in names]
    return list({id(x): x for m in modules for x in collect(m)}.values())


def units(paper: Paper, claim: Claim, check: Evidence, profile: str) -> tuple[Check | None, str]:
    """A check with its units of work; or None and what to install, when its data are missing."""
    try:
        data = [_data(source) for source in check.data]
    except DataMissing as problem:
        return None, str(problem)
    effort = PROFILES[profile]
    controls = tuple(
        _unit(claim, check, effort, data, control.text, control.expected or OTHER[claim.expected], control.over)
        for control in check.controls
    )
    return Check(paper, claim, check, _unit(claim, check, effort, data, None, claim.expected, None), controls), ""


@cache
def _data(source: Any) -> str:
    source.require()
    return str(source.fingerprint())


def _unit(
    claim: Claim, check: Evidence, profile: Profile, data: list[Any], control: str | None, expected: str, over: Any
) -> Unit:
    kind = KINDS[check.kind]
    module = check.function.__module__
    unit = Unit(
        module=module,
        claim=claim.id,
        evidence=check.name,
        kind=check.kind,
        control=control,
        expected=expected,
        profile=profile.name,
        size=max(1, round(check.size * profile.factor)) if kind.scaled else check.size,
        chunks=profile.chunks if kind.in_chunks else 1,
        alpha=budget.PER_CHECK,
        seed=int(fingerprint.digest(claim.id, check.name, control or "")[:13], 16),  # 52 bits: exact in any JSON reader
        code=fingerprint.code(module),
        key="",
    )
    worlds = over if over is not None else check.over
    settings = (
        unit.claim, unit.evidence, unit.kind, repr(control), str(unit.size), str(unit.chunks), repr(unit.alpha),
        str(unit.seed), check.rounding, worlds.describe() if hasattr(worlds, "describe") else "",
    )  # fmt: skip
    versions = [f"{name} {number}" for name, number in fingerprint.versions().items()]
    return replace(unit, key=fingerprint.digest(*settings, unit.code, *map(str, data), *versions))
