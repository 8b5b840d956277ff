"""OHD-Caps: a CLIP that tells captions with absent objects from true ones (arXiv 2410.03176)."""
