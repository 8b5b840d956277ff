"""The numerics behind the image operators; knows nothing of recipes or rows."""
