"""The suite enforces the shapes and types of every public annotation at run time, and runs single-threaded."""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
os.environ.setdefault("MPLBACKEND", "agg")

from jaxtyping import install_import_hook  # noqa: E402

hook = install_import_hook("lab", "beartype.beartype")

import jax  # noqa: E402
import pytest  # noqa: E402
import torch  # noqa: E402

jax.config.update("jax_enable_x64", True)
torch.set_num_threads(1)

from hypothesis import settings  # noqa: E402

# A busy machine or a first compilation makes one example slow: time is not what property tests are about.
settings.register_profile("lab", deadline=None)
settings.load_profile("lab")


@pytest.fixture(scope="session")
def ledger_home(tmp_path_factory):
    """One store for the whole suite, shared by its worker processes: what one test has checked no other runs again."""
    root = tmp_path_factory.getbasetemp()
    return (root.parent if "PYTEST_XDIST_WORKER" in os.environ else root) / "ledger"
