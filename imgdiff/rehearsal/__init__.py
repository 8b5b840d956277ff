"""A recipe tried on a CPU: miniatures of its models with random weights, two rows, every step."""
