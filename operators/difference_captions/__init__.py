"""The Difference Captions Generator: boxes in, sentences that say how they differ out (Img-Diff,
section 3.4)."""
