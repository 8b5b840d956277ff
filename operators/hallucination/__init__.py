"""What captions say that images do not show (EFUF, section 3.2)."""
