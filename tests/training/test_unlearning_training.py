"""Trainings by EFUF: what moves, what stays, and that what was trained is what loads."""

import threading

import pytest
import torch
from chat_miniatures import save_llava, save_qwen_vl
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText
from unlearning_run import write_run

from imgdiff.errors import RefusedError
from imgdiff.models.zoo import EMBEDDED_WEIGHTS, Checkpoint
from imgdiff.models.mllm import Mllm
from imgdiff.testing import ROOT
from imgdiff.toyland.scenes import draw, generator, sample_scene
from imgdiff.training.check import check_training
from imgdiff.training.folder import open_training
from imgdiff.training.unlearning.data import Triples, UnlearningSets
from imgdiff.training.unlearning.layers import train_only
from imgdiff.training.unlearning.train import train
