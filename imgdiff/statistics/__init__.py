"""Runs in numbers: summaries, histograms, what each threshold keeps, intervals."""
