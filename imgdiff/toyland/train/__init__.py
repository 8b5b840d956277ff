"""Trainers of the embedded models: `python -m imgdiff.toyland.train ROLE` (resumable, CPU or
GPU)."""
