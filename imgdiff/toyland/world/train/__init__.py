"""Trainers of models of the toy world: `python -m imgdiff.toyland.world.train ROLE` (resumable, CPU
or GPU)."""
