"""The full-size recipes measured in the true shapes of their models, with random weights."""
