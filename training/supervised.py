"""TRL's trainer for supervised fine-tuning, with an order of examples that survives a resumption."""

from __future__ import annotations

from trl.trainer.sft_trainer import SFTTrainer

from .batching import SeededSampling


class SupervisedTrainer(SeededSampling, SFTTrainer):
    """Trains on rows of ``prompt_completion``."""
