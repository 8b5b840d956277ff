"""Captions and answers as text: what they say, how they differ, what can be written of them."""
