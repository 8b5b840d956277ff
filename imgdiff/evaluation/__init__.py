"""How well a model sees: POPE, CHAIR, pair accuracy, caption metrics and OHD, with 95 % intervals."""
