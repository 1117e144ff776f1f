"""No factory server: it has neither of the two names."""

READY = True
