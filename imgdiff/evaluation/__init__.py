"""How well a model sees: POPE, CHAIR, pair accuracy and caption metrics, with 95 % intervals."""
