"""A toy world with exact ground truth, and the small trained models that see it."""
