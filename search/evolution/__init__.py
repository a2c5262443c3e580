"""Ask, look up, submit, tell, store: the loop of a search."""
