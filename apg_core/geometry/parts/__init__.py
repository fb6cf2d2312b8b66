"""Parts beside each other and within the whole: overlap, contact, cleanup, fitting."""
