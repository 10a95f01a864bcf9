"""One module a paper: the settings of its worlds and its evidence."""

import jax

jax.config.update("jax_enable_x64", True)
