"""Which things a caption names, and whether its image shows them."""
