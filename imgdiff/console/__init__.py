"""What a person at a terminal sees of a command, and how it is stopped."""
