"""What `benchmarks/quality.py` measures: each module returns figures of some of
the embedded models."""
