"""Symbolic discovery of optimization algorithms: `from search import api`."""
