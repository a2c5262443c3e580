"""Trainings that tests share: what JAX compiled for one test serves all with the same settings."""

SMALL = {"vision_mlp": {"steps": 20, "hidden": 2, "shifts": 0}}
