"""Optimizers compared fairly: tuned alike, judged on fresh seeds, with intervals."""
