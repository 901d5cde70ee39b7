"""Tool accuracy by generation on held-out instances while a model is trained, judged by the benchmark's own scorer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from transformers import TrainerCallback

from petoolbench.models.loading import Loaded
from petoolbench.models.local import LocalModel
from petoolbench.models.protocol import Generation
from petoolbench.schema import ERROR_TYPES, Instance, Prediction
from petoolbench.scoring import score

from .config import RunConfig

Numbers = dict[str, float]


def generation(config: RunConfig) -> Generation:
    """Return how a run's model answers held-out instances."""
    return Generation(
        style=config.prompts.style,
        window=config.prompts.max_tokens,
        max_new_tokens=config.evaluation.max_new_tokens,
        temperature=config.evaluation.temperature,
        seed=config.seed,
    )


def judge(predictions: Iterable[Prediction], instances: Sequence[Instance]) -> Numbers:
    """Return accuracies from 0 to 1 over the scored answers, the share of each error, and how many were unscored."""
    references = {entry.id: entry.reference for entry in instances}
    scores = [score(prediction, references[prediction.id]) for prediction in predictions]
    scored = [entry for entry in scores if entry.scored]
    count = max(1, len(scored))
    return {
        "tool_accuracy": sum(entry.tool for entry in scored) / count,
        "argument_accuracy": sum(entry.arguments for entry in scored) / count,
        "joint_accuracy": sum(entry.tool and entry.arguments for entry in scored) / count,
        **{f"share_{name}": sum(entry.error == name for entry in scored) / count for name in ERROR_TYPES},
        "answers": float(len(scored)),
        "unscored": float(len(scores) - len(scored)),
    }


def measure(model: Any, tokenizer: Any, config: RunConfig, instances: Sequence[Instance]) -> Numbers:
    """Let a model answer, as it stands, and judge its answers.

    Args:
        model: Of transformers or peft; it is left in the mode in which it was found.
        tokenizer: Its tokenizer.
        config: How it is asked.
        instances: As the run's settings show them.

    Raises:
        PEToolBenchError: The answers do not fit the memory.
    """
    training = model.training
    model.eval()
    try:
        answerer = LocalModel(
            config.model, Loaded(model, tokenizer, ""), generation(config), config.evaluation.batch_tokens
        )
        return judge(answerer.answers(instances), instances)
    finally:
        model.train(training)


class AccuracyCallback(TrainerCallback):
    """Measures at each evaluation of the loss.

    Where several processes train, each answers all instances, since the shards of a model only work together.

    Args:
        config: The run.
        tokenizer: The model's.
        instances: As the run's settings show them.
        log: Takes the numbers, their names led by ``eval_``.
    """

    def __init__(
        self, config: RunConfig, tokenizer: Any, instances: Sequence[Instance], log: Callable[[Numbers], None]
    ) -> None:
        self._config = config
        self._tokenizer = tokenizer
        self._instances = instances
        self._log = log

    def on_evaluate(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        """Answer and judge."""
        found = measure(model, self._tokenizer, self._config, self._instances)
        self._log({f"eval_{name}": value for name, value in found.items()})
