"""Runs toy papers: here through the engine, or in a process of their own through the command line."""

import importlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from lab.ledger import engine

ROOT = Path(__file__).parents[2]
TOYS = Path(__file__).parent / "toys"
CATALOGUE = TOYS / "catalogue"

# The command line as installed, but for another catalogue and another package of simulations.
DRIVER = """
import sys
from pathlib import Path
sys.path.insert(0, {root!r})
sys.path.insert(0, {parent!r})
from lab.ledger import catalogue
catalogue.FOLDER = Path({folder!r})
from lab.ledger import threads
threads.single_threaded()
from lab.ledger import plan
plan.PACKAGE = {package!r}
from lab import cli
cli.main(sys.argv[1:])
"""


def toy_modules(slug):
    return importlib.import_module(f"tests.ledger.toys.{slug}")


def check(home, names=(), **options):
    """`engine.check` on the toy papers."""
    return engine.check(names, home=home, **({"folder": CATALOGUE, "modules": toy_modules, "workers": 1} | options))


def copied(folder):
    """A copy of the toy papers that a test may edit; returns the package's folder."""
    shutil.copytree(TOYS, folder / "toys", ignore=shutil.ignore_patterns("__pycache__"))
    return folder / "toys"


def command(home, *arguments, toys=None, **options):
    """How to start `lab ARGUMENTS` on the toy papers: the arguments of `subprocess.Popen`."""
    package, parent = ("tests.ledger.toys", ROOT) if toys is None else ("toys", toys.parent)
    folder = CATALOGUE if toys is None else toys / "catalogue"
    driver = DRIVER.format(root=str(ROOT), parent=str(parent), folder=str(folder), package=package)
    environment = {name: x for name, x in os.environ.items() if name not in ("COLUMNS", "FORCE_COLOR")}
    environment |= {"LAB_HOME": str(home), "PYTHONIOENCODING": "utf-8", "PYTHONDONTWRITEBYTECODE": "1"}
    return {
        "args": [sys.executable, "-c", driver, *map(str, arguments)], "env": environment, "cwd": str(home.parent),
        "text": True, "encoding": "utf-8",
    } | options  # fmt: skip


def lab(home, *arguments, **options):
    """Run `lab ARGUMENTS` on the toy papers to its end."""
    return subprocess.run(**command(home, *arguments, **options), capture_output=True, timeout=120, check=False)


def lines(printed):
    """The JSON lines that a command printed, refusing what strict JSON does not know."""

    def refuse(name):
        raise AssertionError(f"{name} is not JSON")

    return [json.loads(line, parse_constant=refuse) for line in printed.splitlines()]
