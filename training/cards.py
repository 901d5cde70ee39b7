"""A trained adapter and the reports of its tests → its model card."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from petoolbench.errors import PEToolBenchError
from petoolbench.schema import ERROR_TYPES
from petoolbench.statistics import CONFIDENCE

from .rendering import public, render, yaml_block
from .run_folder import TrainingRun
from .scores import Tested

METRICS: Final = {
    "tool_accuracy": ("pt_tool_acc", "Tool Accuracy"),
    "param_accuracy": ("pt_param_acc", "Parameter Accuracy"),
    "joint_accuracy": ("pt_joint_acc", "Joint Accuracy"),
}
"""By their names in a report: the ``evaluate`` module and the title of each accuracy."""

METHODS: Final = {
    "sft": "supervised fine-tuning on right calls",
    "dpo": "direct preference optimisation over pairs of calls",
    "grpo": "reinforcement learning (GRPO) with the scorer's verdicts as reward",
}


@dataclass(frozen=True)
class Publication:
    """What a card says that neither run nor report knows: names on the Hub, and whether merged weights come along."""

    repository: str
    base: str
    datasets: tuple[str, ...] = ()
    licence: str | None = None
    merged: bool = False


def model_card(run: TrainingRun, tests: Sequence[Tested], trained_on: str, publication: Publication) -> str:
    """Return the text of a model card, YAML head included; its metadata can be read back from it.

    Args:
        run: The run folder.
        tests: At least one test of the model.
        trained_on: The name of the training data.
        publication: Names on the Hub.

    Raises:
        InputError: A value that the template asks for is missing.
        PEToolBenchError: The head cannot be read back as it was meant.
    """
    results = [result for tested in tests for result in _results(tested)]
    head = ModelCardData(
        base_model=publication.base,
        datasets=list(publication.datasets) or None,
        license=publication.licence,
        language="en",
        library_name="peft",
        pipeline_tag="text-generation",
        tags=["petoolbench", "tool-use", "function-calling", "personalization", "lora", run.report.method],
        metrics=[metric for metric, _ in METRICS.values()],
        model_name=publication.repository.partition("/")[2],
        eval_results=results,
    )
    values = {
        "publication": publication,
        "method": METHODS.get(run.report.method, run.report.method),
        "report": run.report,
        "data": run.report.data,
        "recipe": yaml_block(public(run.report.config)),
        "trained_on": trained_on,
        "tests": tests,
        "metrics": METRICS,
        "error_types": (*ERROR_TYPES, "correct"),
        "confidence": round(100 * CONFIDENCE),
    }
    text = f"---\n{head.to_yaml()}\n---\n\n{render('model.md.j2', values).strip()}\n"
    if ModelCard(text).data.get("eval_results") != results:
        raise PEToolBenchError("the card's model-index cannot be read back; a name in the report cannot be published")
    return text


def _results(tested: Tested) -> list[EvalResult]:
    """Return an accuracy a setting as the Hub's ``model-index`` wants it, with what it was measured on."""
    run, spec = tested.run, tested.run.spec
    asked = {"fingerprint": spec.fingerprint, "instances": spec.instances, **run.restrictions}
    found = []
    for setting, part in run.settings.items():
        for name, (metric, title) in METRICS.items():
            accuracy = getattr(part, name)
            found.append(
                EvalResult(
                    task_type="text-generation",
                    task_name="Personalized tool learning",
                    dataset_type=tested.data,
                    dataset_name=f"{tested.data} ({spec.config}, {setting})",
                    dataset_config=setting,
                    dataset_split=spec.split,
                    dataset_args=asked,
                    metric_type=metric,
                    metric_name=title,
                    metric_value=accuracy.value,
                    metric_args={
                        "mode": run.mode,
                        "scoring_version": run.scoring_version,
                        "low": accuracy.low,
                        "high": accuracy.high,
                        "n": part.n,
                        "unscored": part.unscored,
                        "run": run.name,
                    },
                )
            )
    return found
