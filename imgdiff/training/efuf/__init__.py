"""EFUF: unlearn what a model makes up, from its own captions sorted by CLIP (arXiv 2402.09801)."""
