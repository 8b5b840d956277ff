"""Contrastive image-pair data for multimodal models: the engine behind the operators in
`imgdiff.operators`."""

__version__ = "0.1.0"
