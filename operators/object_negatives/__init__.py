"""From images and their objects to captions that do not fit them."""
