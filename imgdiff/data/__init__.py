"""Rows and what they hold: regions, images, boxes, conversations; and where they are read from."""
