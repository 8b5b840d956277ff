"""What `benchmarks/hallucination_phrases.py` measures."""
