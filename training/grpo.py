"""Reinforcement learning with the scorer as reward: ``python -m training.grpo CONFIG.yaml [--resume]``.

The paper has no such stage. The reward is the evaluation: nothing here compares a call with another.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from petoolbench.console import Console
from petoolbench.schema import Instance

from .config import GRPOSettings
from .data import Teller
from .loading import load_model, lora_config
from .rewards import REWARDS, question
from .running import command_line, last_checkpoint, trainer_options
from .stages import Looked, begin, finish, write_results

if TYPE_CHECKING:
    from datasets import Dataset

_PANELS: Final = {
    "Reward": ("reward",),
    "Answers that earn it": tuple(f"rewards/{reward.__name__}/mean" for reward in REWARDS),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""

    def run(config: GRPOSettings, console: Console, resume: bool) -> None:
        train(config, console, resume=resume)

    about = "Reinforcement learning with the scorer as reward."
    return command_line("training.grpo", about, GRPOSettings, run, arguments)


def train(config: GRPOSettings, console: Console, *, resume: bool = False, callbacks: Sequence[Any] = ()) -> None:
    """Train, evaluate and write the output folder.

    Args:
        config: The run.
        console: Where notes and progress go.
        resume: Go on from the last checkpoint in the output folder.
        callbacks: More callbacks of transformers for the trainer.

    Raises:
        PEToolBenchError: Something the user gave is wrong; it is found before any weights are loaded where it can be.
    """
    looked = begin(config, console, config.trainer.per_device_train_batch_size, "max_completion_length", resume=resume)
    if looked is None:
        return
    checkpoint = last_checkpoint(config) if resume else None
    trainer = make_trainer(config, looked, resume=checkpoint is not None)
    session = finish(config, looked, trainer, console, checkpoint=checkpoint, callbacks=callbacks, references=None)
    if trainer.is_world_process_zero():
        write_results(config, looked, "grpo", trainer, _PANELS, {"session": session})


def question_rows(instances: Iterable[Instance], teller: Teller) -> Dataset:
    """Return instances as ``prompt``, text of the chat template, and what it takes to judge answers to it."""
    from datasets import Dataset

    columns: dict[str, list[str]] = {"id": [], "prompt": [], "question": []}
    for instance in instances:
        asked = teller.ask(instance)
        columns["id"].append(instance.id)
        columns["prompt"].append(teller.chat.render(asked.prompt))
        columns["question"].append(question(asked))
    return Dataset.from_dict(columns)


def make_trainer(config: GRPOSettings, looked: Looked, *, resume: bool) -> Any:
    """Load the weights and return the trainer."""
    from trl.trainer.grpo_config import GRPOConfig

    from .trainers import QuestionTrainer

    evaluates = bool(looked.held_out)
    weights, rewards = config.rewards, list[Any](REWARDS)
    arguments = GRPOConfig(
        **trainer_options(config, looked.blueprint, evaluates=evaluates, resume=resume),
        beta=config.beta,
        num_generations=config.num_generations,
        num_generations_eval=1,
        temperature=config.temperature,
        max_completion_length=config.max_completion_length,
        reward_weights=[weights.call, weights.tool, weights.arguments],
    )
    return QuestionTrainer(
        model=load_model(config, looked.blueprint),
        reward_funcs=rewards,
        args=arguments,
        train_dataset=question_rows(looked.instances, looked.teller),
        eval_dataset=question_rows(looked.held_out, looked.teller) if evaluates else None,
        processing_class=looked.blueprint.tokenizer,
        peft_config=lora_config(config.lora) if config.adapter is None else None,
    )


if __name__ == "__main__":
    sys.exit(main())
