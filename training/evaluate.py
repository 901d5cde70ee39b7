"""Answer a whole split as a run's configuration asks: ``python -m training.evaluate CONFIG.yaml --out runs/x``.

What it writes is a run folder of ``petoolbench predict``: score it, compare it and report it as any other.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from petoolbench.commands.arguments import positive
from petoolbench.console import Console
from petoolbench.errors import PEToolBenchError
from petoolbench.files import json_text
from petoolbench.folders import open_dataset
from petoolbench.models.local import load_local
from petoolbench.models.protocol import Generation, LanguageModel
from petoolbench.models.settings import ModelSettings
from petoolbench.predict import Outcome, predict, read_ids, run_spec
from petoolbench.prompts import PromptError
from petoolbench.schema import Instance, Prediction

from .config import PromptSettings, RunConfig, read_asking
from .shortening import shorten


class ShortAsking:
    """A model that is asked with the prompts of a training run; an answerer of ``petoolbench predict``."""

    oracle = False

    def __init__(self, model: LanguageModel, prompts: PromptSettings) -> None:
        self._model = model
        self._prompts = prompts

    @property
    def name(self) -> str:
        """The model's name, and how its documentation is shortened."""
        return agent_name(self._model.name, self._prompts)

    def described(self) -> Mapping[str, str]:
        """Return what the model says of itself, and the settings of its prompts."""
        return {**self._model.described(), "prompt_settings": json_text(self._prompts.model_dump())}

    def answers(self, instances: Iterable[Instance]) -> Iterator[Prediction]:
        """Yield the model's answers; a prompt that cannot be shortened is an error in place of one."""
        faults: list[Prediction] = []
        yield from self._model.answers(self._short(instances, faults))
        yield from faults

    def _short(self, instances: Iterable[Instance], faults: list[Prediction]) -> Iterator[Instance]:
        for instance in instances:
            try:
                yield shorten(instance, self._prompts).instance
            except PromptError as error:
                faults.append(Prediction(id=instance.id, error=str(error)))


def agent_name(model: str, prompts: PromptSettings) -> str:
    """Return a name that tells runs with other documentation apart."""
    if not prompts.shortens_documentation:
        return model
    cut = f", descriptions of {prompts.description_characters} characters" if prompts.description_characters else ""
    return f"{model}{cut}, parameters {prompts.parameters}"


def evaluate(config: RunConfig, options: argparse.Namespace, console: Console) -> Outcome:
    """Answer what is not answered yet, into the run folder ``options.out``.

    Raises:
        PEToolBenchError: Model, adapter or data cannot be had, or the folder holds another run.
    """
    prompts, asked = config.prompts, config.evaluation
    if options.no_history:
        prompts = prompts.model_copy(update={"history": False})
    data = open_dataset(options.data)
    ids = read_ids(options.ids) if options.ids is not None else None
    settings = ModelSettings(
        name=f"hf:{config.model}",
        style=prompts.style,
        window=prompts.max_tokens,
        max_new_tokens=asked.max_new_tokens,
        temperature=asked.temperature,
        adapter=config.adapter,
        dtype=options.dtype,
    )
    full_name = settings.name if config.adapter is None else f"{settings.name}+{config.adapter}"
    spec = run_spec(
        data,
        options.config,
        options.split,
        agent_name(full_name, prompts),
        seed=config.seed,
        history=prompts.history,
        max_interactions=prompts.max_interactions,
        limit=options.limit,
        ids=ids,
        model=settings,
    )
    generation: Generation = settings.generation(config.seed)
    model = load_local(
        config.model,
        generation,
        adapter=config.adapter,
        dtype=options.dtype,
        device=config.device,
        batch_tokens=asked.batch_tokens,
    )

    def progress(predictions: Iterable[Prediction], total: int) -> Iterator[Prediction]:
        return console.track(predictions, spec.agent, total)

    answerer = ShortAsking(model, prompts)
    return predict(data, options.data, spec, answerer, options.out, progress=progress, ids=ids)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; 0 when all went well, 2 on anything the user can mend."""
    options = _parser().parse_args(arguments)
    console = Console(quiet=options.quiet)
    given: dict[str, Any] = {key: getattr(options, key) for key in ("model", "adapter") if getattr(options, key)}
    try:
        config = read_asking(options.file, given)
        outcome = evaluate(config, options, console)
    except PEToolBenchError as error:
        console.error(str(error))
        return 2
    except KeyboardInterrupt:
        console.error("interrupted; the same command goes on where it stopped")
        return 130
    console.note(f"{options.out}: {outcome.added} answers added, {outcome.before} stood there before")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.evaluate", description="Answer a whole split as a run's configuration asks."
    )
    parser.add_argument("file", type=Path, metavar="CONFIG", help="the YAML file of a run, of any method")
    parser.add_argument("--out", required=True, type=Path, help="the run folder, new or to go on with")
    parser.add_argument("--model", help="weights in place of the configuration's")
    parser.add_argument(
        "--adapter", help="the trained adapter, such as runs/NAME/adapter; without one, the base answers"
    )
    parser.add_argument("--data", default="petoolbench", help="petoolbench, a dataset folder or a Hub id")
    parser.add_argument("--config", default="all", help="the data's config")
    parser.add_argument("--split", default="test", help="the data's split")
    parser.add_argument("--limit", type=positive, help="answer this many instances only")
    parser.add_argument("--ids", type=Path, metavar="FILE", help="only these: one id a line, JSON lines, or a run")
    parser.add_argument("--no-history", action="store_true", help="hide the histories")
    parser.add_argument("--dtype", default="auto", help="auto, float32, bfloat16 or float16")
    parser.add_argument("--quiet", action="store_true", help="no notes, no progress")
    return parser


if __name__ == "__main__":
    sys.exit(main())
