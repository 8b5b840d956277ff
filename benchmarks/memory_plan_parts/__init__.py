"""Memory, downloads, disk and GPU-hours of the full-size recipes, by arithmetic."""
