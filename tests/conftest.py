"""Array shapes and types of the library are checked while tests run, in one thread."""

import os

from hypothesis import HealthCheck, settings
from jaxtyping import install_import_hook

from tests.support import checking

install_import_hook("apg_core", f"{checking.__name__}.checked")

# How long an example takes says how busy the machine is.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

# The networks of most tests are tiny: on a busy machine of two cores, a second thread made a generation with `nano`
# take 15 processor seconds in place of one.
os.environ.setdefault("OMP_NUM_THREADS", "1")
