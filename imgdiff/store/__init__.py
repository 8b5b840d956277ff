"""Run folders on disk: shards and their manifests, what may be resumed, locks, atomic files."""
