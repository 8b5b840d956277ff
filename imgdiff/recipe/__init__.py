"""Recipes: their schema, their text with line numbers, and the check of the whole."""
