"""Described differences in, training examples out."""
