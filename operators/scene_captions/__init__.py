"""Captions of single images, written by the MLLM, and the things they name (EFUF, section 3.2)."""
