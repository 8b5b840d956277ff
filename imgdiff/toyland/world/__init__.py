"""The toy world: scenes whose truth is known, pairs that differ in known ways, and what is said of
both. `docs/toyland.md` describes it."""
