"""What captions name, and other captions made of them: no model, no rows."""
