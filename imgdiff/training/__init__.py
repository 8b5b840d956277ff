"""Training on what runs make: finetuning, and the systems that keep models honest."""
