"""Supervised finetuning: what runs make, mixed with other instruction data."""
