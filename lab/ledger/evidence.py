"""Evidence for a claim, and its controls.

    @evidence("rdpo/unbiased-loss", kind="exact", over=pairs)
    def unbiased_by_enumeration(world, assumed_rate=None):
        ...
        return equal(left, right)

    unbiased_by_enumeration.control("a wrong flip rate biases it", assumed_rate=lambda world: world.flip_rate / 2)

How the function is called:

    exact                     function(world, **settings)         every world of the family at once, arrays that track
                                                                 their rounding error (`rounding="tracked"`)
    sampled, rate, data, lm   function(world, draw, **settings)   plain arrays

`over` is a family of random worlds, one world, or None: then no world is passed. A sampled function is called again
with `draw.chunk` = 0, 1, 2, … until its verdict is decided; every other function is called once.
A setting that is callable is first applied to the world (or called without arguments when there is none).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from lab.ledger.errors import suggestion


@dataclass(frozen=True)
class Kind:
    """What sets one kind of evidence apart from the others."""

    size: int = 1  # standard effort
    counts: str = ""  # what the size of a result counts
    scaled: bool = False  # a profile scales the size
    random: bool = False  # the function receives a Draw, and the verdict may err with probability alpha
    in_chunks: bool = False  # it is called again with the next chunk until its verdict is decided


KINDS = {
    "exact": Kind(512, "worlds", scaled=True),
    "sampled": Kind(2**14, "observations", random=True, in_chunks=True),
    "rate": Kind(256, "errors", scaled=True, random=True),
    "proof": Kind(counts="steps"),
    "data": Kind(scaled=True, random=True),
    "lm": Kind(random=True),
}


@dataclass(frozen=True)
class Draw:
    """What a function that uses randomness receives: a seed for this chunk, how much is wanted, its error share."""

    seed: int
    chunk: int
    size: int
    alpha: float

    @property
    def rng(self) -> np.random.Generator:
        """A fresh NumPy generator; the same at every call."""
        return np.random.default_rng([self.seed, self.chunk])

    @property
    def key(self) -> Any:
        """A JAX key; the same at every call."""
        import jax

        return jax.random.fold_in(jax.random.key(self.seed), self.chunk)


@dataclass(frozen=True)
class Control:
    """The same check with one thing changed, which must come out the other way (or as `expected` says)."""

    text: str
    changes: dict[str, Any]
    expected: str | None = None
    over: Any = None


@dataclass
class Evidence:
    """One check of one claim. Calling it calls the function."""

    claim: str
    kind: str
    function: Callable[..., Any]
    over: Any = None
    size: int = 1
    rounding: Literal["tracked", "declared"] = "tracked"
    data: tuple[Any, ...] = ()
    controls: list[Control] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.function.__name__

    def control(self, text: str, *, expected: str | None = None, over: Any = None, **changes: Any) -> None:
        """Add a control: the settings that change, and what that means. Left out, `expected` is the other verdict."""
        self.controls.append(Control(text, changes, expected, over))

    def __call__(self, *arguments: Any, **settings: Any) -> Any:
        return self.function(*arguments, **settings)


def evidence(
    claim: str,
    *,
    kind: str,
    over: Any = None,
    size: int | None = None,
    rounding: Literal["tracked", "declared"] = "tracked",
    data: Any = (),
) -> Callable[[Callable[..., Any]], Evidence]:
    """Mark a function as evidence for the claim `paper/short-name`.

    `size` is the standard effort (see KINDS), which a profile may scale.
    `rounding="declared"` passes plain arrays and leaves the error bound to the finding.
    `data` lists the data sources the function reads: objects with `.name`, `.fingerprint()` and `.require()`, which
    raises `DataMissing` with the command that installs them.
    """

    if kind not in KINDS:
        raise ValueError(f"kind = {kind!r}{suggestion(kind, KINDS)}: must be one of {', '.join(KINDS)}")

    def wrap(function: Callable[..., Any]) -> Evidence:
        sources = tuple(data) if isinstance(data, list | tuple) else (data,)
        return Evidence(claim, kind, function, over, size or KINDS[kind].size, rounding, sources)

    return wrap


def collect(module: Any) -> list[Evidence]:
    """The evidence defined in a module, in the order in which it stands there."""
    found = [x for x in vars(module).values() if isinstance(x, Evidence)]
    return list({id(x): x for x in found}.values())
