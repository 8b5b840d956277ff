"""The parts of `benchmarks/hallucination.py`."""
