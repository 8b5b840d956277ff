"""imgdiff from Python; its names are those of the package itself: `imgdiff.run_recipe`."""
