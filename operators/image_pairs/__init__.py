"""Caption pairs in, image pairs out."""
