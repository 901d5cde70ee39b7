"""TRL's trainers on tokens that are already there. Loads torch and TRL: import it at the point of use.

TRL makes tokens of texts with the tokenizer's own special tokens before them, which chat templates have written
already: a prompt would begin twice, and not as at evaluation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from trl.trainer.dpo_trainer import DPOTrainer
from trl.trainer.grpo_trainer import GRPOTrainer

from .batching import SeededSampling

_TOKENS: Final = ("prompt_ids", "chosen_ids", "rejected_ids")


class PairTrainer(SeededSampling, DPOTrainer):
    """DPO on the columns ``prompt_ids``, ``chosen_ids`` and ``rejected_ids``."""

    def _prepare_dataset(self, dataset: Any, *settings: Any) -> Any:
        return dataset

    def _set_signature_columns_if_needed(self: Any) -> None:
        if self._signature_columns is None:
            # Evaluation groups rows by their length, once columns that are not named here were taken out.
            self._signature_columns = [*_TOKENS, self.args.length_column_name]

    def evaluate(self, *settings: Any, **named: Any) -> dict[str, float]:
        """Measure the loss where there are pairs for it, and let callbacks measure too."""
        rows: Any = self.eval_dataset
        if len(rows):
            found: dict[str, float] = super().evaluate(*settings, **named)
            return found
        return _tell_callbacks(self)


class QuestionTrainer(GRPOTrainer):
    """GRPO on prompts that a chat template wrote as text.

    Its evaluations leave measuring to callbacks, which ask as the benchmark does; it draws no further answers for them.
    """

    def _tokenize_prompts(self, prompts: Sequence[str]) -> tuple[list[list[int]], None, dict[str, Any]]:
        tokenizer: Any = self.processing_class
        ids: list[list[int]] = tokenizer(list(prompts), add_special_tokens=False, verbose=False)["input_ids"]
        return ids, None, {}

    def evaluate(self, *settings: Any, **named: Any) -> dict[str, float]:
        """Let callbacks measure."""
        return _tell_callbacks(self)


def _tell_callbacks(trainer: Any) -> dict[str, float]:
    trainer.control = trainer.callback_handler.on_evaluate(trainer.args, trainer.state, trainer.control, {})
    return {}
