"""(program, task, seed, split) -> fitness, and nothing else."""
