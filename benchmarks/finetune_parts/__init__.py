"""Parts of `benchmarks/finetune.py`: what models are trained on, and what they are asked."""
