"""Which of a search's best programs can be trusted."""
