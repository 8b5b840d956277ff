"""What may differ between two images, and what was found of it."""
