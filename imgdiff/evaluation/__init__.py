"""How well models see: POPE, CHAIR, pairs, caption metrics and OHD, with 95 % intervals."""
