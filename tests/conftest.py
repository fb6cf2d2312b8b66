"""Array shapes and types of the library are checked while tests run."""

from jaxtyping import install_import_hook

from tests.support import checking

install_import_hook("apg_core", f"{checking.__name__}.checked")
