"""The library as a user meets it: without the annotations that the suite enforces, its own checks must speak."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest
import torch

LIBRARIES = (np.asarray, jnp.asarray, torch.asarray)


@contextmanager
def unannotated() -> Iterator[None]:
    """No shapes and types are enforced inside."""
    before = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        jaxtyping.config.update("jaxtyping_disable", before)


def assert_refused(call: Callable[..., Any], *arguments: Any, match: str) -> None:
    """`call(*arguments)` raises this ValueError on arrays of every library, and on lists."""
    for library in (*LIBRARIES, np.ndarray.tolist):
        with unannotated(), pytest.raises(ValueError, match=match):
            call(*(library(np.asarray(x)) for x in arguments))
