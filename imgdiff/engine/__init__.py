"""Engines run a plan, phases over shards: on one machine, or as pools of workers on Ray."""
