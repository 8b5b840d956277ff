"""What is kept of the whole run, decided when every row has come through all else."""
