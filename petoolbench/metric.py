"""What the ``evaluate`` modules under ``metrics/`` share; they average and judge nothing by themselves."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import evaluate
from datasets import Features, Value

from .errors import MissingExtraError
from .features import REFERENCE_FEATURES, reference_to_row, row_to_reference
from .parsing import render_call
from .schema import Prediction, Reference, Score, ScoringMode, ToolCall
from .scoring import SCORING_VERSION, score

_INPUTS = """
Args:
    predictions: one answer an instance: the model's text, a tool call as a dict of `name` and `arguments`
        (or `tool_name` and `parameters`), a list of such calls, or None where the model gave no answer.
    references: the column `reference` of a petoolbench data set.
    mode: `strict` (default) or `official`, the published scorer's rule.
Returns:
    a dict with the share from 0 to 1, `scored` and `unscored` counts and `scoring_version`. An answer of None
    is unscored and counts in no share.
"""

_CITATION = """@inproceedings{xu2025petoolllm,
  title = {{PEToolLLM}: Towards Personalized Tool Learning in Large Language Models},
  author = {Xu, Qiancheng and Li, Yongqi and Xia, Heming and Liu, Fan and Yang, Min and Li, Wenjie},
  booktitle = {Findings of the Association for Computational Linguistics: ACL 2025},
  year = {2025}
}"""

_FEATURES = {
    "predictions": {"text": Value("string"), "answered": Value("bool")},
    "references": dict(REFERENCE_FEATURES),
}
"""The columns that ``evaluate`` keeps; what the user gives as predictions is turned into rows of them."""


class CallMetric(evaluate.Metric):  # type: ignore[misc]
    """An ``evaluate`` metric whose predictions may be text or parsed calls."""

    def described(self, description: str) -> evaluate.MetricInfo:
        """Return what ``evaluate`` wants to know of a metric, with what all of ours have in common."""
        return evaluate.MetricInfo(
            description=description,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=Features(_FEATURES),
        )

    def add_batch(self, *, predictions: Any = None, references: Any = None, **kwargs: Any) -> None:
        """Add answers; see ``evaluate.Metric.add_batch``."""
        texts = None if predictions is None else [_row(answer) for answer in predictions]
        rows = None if references is None else [dict(reference) for reference in references]
        super().add_batch(predictions=texts, references=rows, **kwargs)

    def add(self, *, prediction: Any = None, reference: Any = None, **kwargs: Any) -> None:
        """Add one answer; see ``evaluate.Metric.add``."""
        super().add(prediction=_row(prediction), reference=dict(reference), **kwargs)

    def judge(
        self, predictions: Sequence[Mapping[str, Any]], references: Sequence[Mapping[str, Any]], mode: ScoringMode
    ) -> list[Score]:
        """Score each answer."""
        if mode not in ("strict", "official"):
            raise ValueError(f"mode is {mode!r}; it can be 'strict' or 'official'")
        return [
            score(
                Prediction(id=str(index), text=given["text"] if given["answered"] else None),
                row_to_reference(row),
                mode,
            )
            for index, (given, row) in enumerate(zip(predictions, references, strict=True))
        ]

    def result(self, name: str, values: Iterable[bool], scores: Sequence[Score]) -> dict[str, Any]:
        """Average ``values`` and say over how many answers; the share is None over none."""
        counted = list(values)
        share = sum(counted) / len(counted) if counted else None
        return {name: share, **self.counts(scores)}

    def counts(self, scores: Sequence[Score]) -> dict[str, Any]:
        """Return how many answers were scored and by which version of the rules."""
        scored = sum(entry.scored for entry in scores)
        return {"scored": scored, "unscored": len(scores) - scored, "scoring_version": SCORING_VERSION}


def _row(answer: Any) -> dict[str, Any]:
    """Return an answer as its row: ``evaluate`` takes no null for a text."""
    text = answer_text(answer)
    return {"text": text or "", "answered": text is not None}


def answer_text(answer: Any) -> str | None:
    """Return an answer as text: text and None as they are, a call or list of calls as its canonical text.

    Raises:
        ValueError: The answer is none of these.
    """
    if answer is None:
        return None
    if isinstance(answer, str):
        return answer
    if isinstance(answer, ToolCall):
        return render_call(answer)
    if isinstance(answer, Mapping):
        return render_call(_call_of(answer))
    if isinstance(answer, Sequence):
        return "\n".join(str(answer_text(entry)) for entry in answer)
    raise ValueError(f"a prediction is text, a call, a list of calls or None, not {type(answer).__name__}")


def _call_of(answer: Mapping[str, Any]) -> ToolCall:
    name = answer.get("name", answer.get("tool_name"))
    arguments = answer.get("arguments", answer.get("parameters"))
    if not isinstance(name, str) or not isinstance(arguments, Mapping):
        raise ValueError("a call as a prediction needs 'name' (text) and 'arguments' (an object)")
    return ToolCall(name=name, arguments=dict(arguments))


_EXAMPLE = ToolCall(name="<Weather>.<Dripp>.<current>", arguments={"city": "Oslo"})


def page(script: Path) -> Any:
    """Return a metric's page, a Gradio interface that takes predictions and references as JSON lists.

    Args:
        script: The metric's script; the card beside it stands below the form.

    Raises:
        MissingExtraError: Gradio is not installed.
    """
    try:
        import gradio
    except ImportError:
        raise MissingExtraError("a metric's page", "gradio", "space") from None

    def compute(predictions: str, references: str, mode: str) -> dict[str, Any]:
        try:
            given = {"predictions": json.loads(predictions), "references": json.loads(references)}
            # One of its own for each visitor: a metric keeps what it was given until it has computed.
            metric = evaluate.load(str(script), keep_in_memory=True)
            found: dict[str, Any] = metric.compute(**given, mode=mode)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            line = (str(error).splitlines() or [type(error).__name__])[0]
            raise gradio.Error(f"cannot be scored: {line}", print_exception=False) from None
        return found

    reference = Reference(**_EXAMPLE.model_dump(), candidates=(_EXAMPLE.name,))
    form = [
        gradio.Textbox(json.dumps([_EXAMPLE.model_dump()], indent=1), lines=8, label="predictions: texts or calls"),
        gradio.Textbox(json.dumps([reference_to_row(reference)], indent=1), lines=8, label="references: their column"),
        gradio.Radio(["strict", "official"], value="strict", label="mode"),
    ]
    card = (script.parent / "README.md").read_text(encoding="utf-8").split("---\n", 2)[2]
    return gradio.Interface(
        compute, form, gradio.JSON(label="result"), title=script.stem, article=card, api_name="score"
    )
