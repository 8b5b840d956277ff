"""Captions in, caption pairs out."""
