"""Array shapes and types of the networks are checked while tests run."""

from jaxtyping import install_import_hook

install_import_hook("apg_core.models", "beartype.beartype")
