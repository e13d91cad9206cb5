"""Numbers, dial plans and number documents: the domain, without I/O."""
