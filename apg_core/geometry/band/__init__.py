"""The narrow band of a field: the lattice, what is known of the field on it, and the cells its surface crosses."""
