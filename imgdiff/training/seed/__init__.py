"""SEED: a model distils what is purified of its own hallucinations back into itself."""
