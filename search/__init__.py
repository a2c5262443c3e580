"""The search: regularized evolution of update rules on Ray workers (`python -m search.run`)."""
