"""The lm-evaluation-harness task behind the YAML files of the folder ``lm_eval``.

lm-evaluation-harness imports this file by name; nothing else does. Its own configurable task knows one system text for
all documents, ours differs from document to document, so the prompt is made here; the rest stays configuration.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from datasets import Dataset
from lm_eval.api.task import ConfigurableTask

from ..files import json_text
from ..schema import Instance, Prediction, Reference
from ..scoring import SCORING_VERSION, gold_prediction, score
from .questions import Questions, checked_mode, one_turn

_ARGUMENTS = ("data", "split", "history", "max_interactions")


class PersonalToolTask(ConfigurableTask):  # type: ignore[misc]
    """One config of a data set.

    ``--metadata '{"data": …, "split": …, "history": …, "max_interactions": …, "mode": …}'`` sets what ``Questions``
    and the scorer take; lm-evaluation-harness adds the arguments of the model to it, which are no concern of ours.
    """

    VERSION = SCORING_VERSION

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config={name: value for name, value in config.items() if name != "class"})

    def download(self, dataset_kwargs: Mapping[str, Any] | None = None, **ignored: Any) -> None:
        """Read the data that the configuration names.

        Raises:
            InputError: An argument is not usable, or there is no such data.
        """
        given = self.config.metadata or {}
        chosen = {name: given[name] for name in _ARGUMENTS if name in given}
        self._questions = Questions(**(dataset_kwargs or {}), **chosen)
        self._instances = {instance.id: instance for instance in self._questions.instances()}
        known = {"mode": checked_mode(given.get("mode", "strict")), "questions": json_text(self._questions.record())}
        self.dataset = {"test": Dataset.from_list([_row(entry) | known for entry in self._instances.values()])}

    def fewshot_context(
        self,
        doc: Mapping[str, Any],
        num_fewshot: int = 0,
        system_instruction: str | None = None,
        apply_chat_template: bool = False,
        fewshot_as_multiturn: bool = False,
        chat_template: Callable[..., Any] | None = None,
        gen_prefix: str | None = None,
    ) -> Any:
        """Return the document's prompt as the model is shown it; there are never examples before it.

        Without a chat template it is plain text. lm-evaluation-harness leaves a system text out where the template
        refuses it; the tools stand in ours, so it goes into the user's turn then.
        """
        system, user = self._questions.prompt(self._instances[doc["id"]]).messages
        if system_instruction:
            system = {**system, "content": f"{system_instruction}\n\n{system['content']}"}
        messages = [system, user]
        if not apply_chat_template or chat_template is None:
            return one_turn(messages)[0]["content"]
        shown = chat_template(messages, add_generation_prompt=True)
        if shown == chat_template([user], add_generation_prompt=True):
            return chat_template(one_turn(messages), add_generation_prompt=True)
        return shown


def judge(doc: Mapping[str, Any], results: Sequence[str | None]) -> dict[str, float]:
    """Judge one answer as ``petoolbench score`` does; a document without an answer counts in no average."""
    prediction = Prediction(id=doc["id"], text=results[0])
    judged = score(prediction, Reference.model_validate_json(doc["reference"]), checked_mode(doc["mode"]))
    if not judged.scored:
        return {}
    return {
        "tool_accuracy": float(judged.tool),
        "param_accuracy": float(judged.arguments),
        "joint_accuracy": float(judged.tool and judged.arguments),
        "invalid_format": float(judged.error == "invalid_format"),
        "empty": float(not (prediction.text or "").strip()),
    }


def _row(instance: Instance) -> dict[str, str]:
    return {
        "id": instance.id,
        "setting": instance.setting,
        "functionality": instance.functionality,
        "instruction": instance.instruction,
        "target": gold_prediction(instance.id, instance.reference).text or "",
        "reference": instance.reference.model_dump_json(),
    }
