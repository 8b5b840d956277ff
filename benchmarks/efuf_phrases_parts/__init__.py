"""What `benchmarks/efuf_phrases.py` measures."""
