"""Local models through transformers: prompts sorted by length, many answers at a time, each stopped after its call."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Final

from ..errors import PEToolBenchError
from ..schema import Instance, Prediction
from .answer import Answer
from .chat import Asked, Chat
from .guided import GrammarError, Guidance
from .hardware import hardware, package_versions
from .loading import DEVICES, DTYPES, Loaded, check_context, end_tokens, load
from .protocol import Generation

AHEAD: Final = 256
"""How many instances are taken ahead, so that those answered together are of much the same length."""

CPU_BATCH_TOKENS: Final = 65_536
_GPU_SHARE: Final = 0.6
_PACKAGES: Final = ("torch", "transformers", "tokenizers", "peft", "llguidance", "gguf")


@dataclass(frozen=True)
class _Draw:
    """A prompt that is to be answered with the draws of a seed."""

    asked: Asked
    seed: int


def load_local(
    name: str,
    generation: Generation,
    *,
    adapter: str | None = None,
    dtype: str = "auto",
    device: str = "auto",
    batch_tokens: int | None = None,
) -> LocalModel:
    """Return a model that answers on this machine.

    Args:
        name: A folder, a Hub id, or the path of a ``.gguf`` file.
        generation: How it answers.
        adapter: A folder or Hub id of a PEFT adapter.
        dtype: ``auto``, ``float32``, ``bfloat16`` or ``float16``.
        device: ``auto``, ``cpu`` or ``cuda``.
        batch_tokens: The most tokens, prompts and answers together, that are held at a time; by default 65,536 on the
            CPU, and on a GPU what six tenths of its free memory hold.

    Raises:
        MissingExtraError: The extra ``llm`` is not installed.
        PEToolBenchError: The model, adapter or device cannot be had, or does not fit ``generation``.
    """
    for option, value, known in (("--dtype", dtype, DTYPES), ("--device", device, DEVICES)):
        if value not in known:
            raise PEToolBenchError(f"{option} {value}: choose from {', '.join(known)}")
    loaded = load(name, adapter, dtype, device)
    full_name = f"hf:{name}" if adapter is None else f"hf:{name}+{adapter}"
    return LocalModel(full_name, loaded, generation, batch_tokens)


class LocalModel:
    """A model of transformers; see ``petoolbench.models.protocol.LanguageModel``.

    ``seconds`` of an answer is what reading its prompt took, and its equal share of every step that wrote one of its
    tokens.

    Raises:
        MissingExtraError: llguidance is not installed, and answers are guided.
        PEToolBenchError: The model's context is too small, or its chat template cannot render the prompts.
    """

    def __init__(self, name: str, loaded: Loaded, generation: Generation, batch_tokens: int | None = None) -> None:
        from .decoding import Decoder

        self._name = name
        self._loaded = loaded
        self._generation = generation
        check_context(loaded.model, name, generation.window, generation.max_new_tokens)
        self._chat = Chat(loaded.tokenizer, generation.style, name)
        self._ends = end_tokens(loaded.model, loaded.tokenizer)
        self._guidance: Guidance | None = None
        if generation.guided:
            vocabulary = loaded.model.config.get_text_config().vocab_size
            self._guidance = Guidance(loaded.tokenizer, vocabulary, self._ends, name)
        self._decoder = Decoder(loaded.model, generation.temperature, generation.max_new_tokens)
        self._batch_tokens = batch_tokens or _room(loaded.model)

    @property
    def name(self) -> str:
        """As the user named it, the adapter included."""
        return self._name

    def described(self) -> dict[str, str]:
        """Return what a run's manifest says of the model, its software and the machine."""
        model = self._loaded.model
        own = {
            "dtype": str(model.dtype).removeprefix("torch."),
            "device": str(model.device),
            "weights": self._loaded.weights,
            "chat_template": self._chat.template_hash,
        }
        return own | hardware() | package_versions(_PACKAGES)

    def answers(self, instances: Iterable[Instance]) -> Iterator[Prediction]:
        """Yield one prediction an instance as it is done, the longest prompts of those taken ahead first.

        Raises:
            PEToolBenchError: What is held at a time does not fit the memory.
        """
        for _, prediction in self.draws((instance, (self._generation.seed,)) for instance in instances):
            yield prediction

    def draws(self, wanted: Iterable[tuple[Instance, Sequence[int]]]) -> Iterator[tuple[int, Prediction]]:
        """Yield a seed and a prediction for every instance and each of its seeds, as ``answers`` does.

        A prediction is the one that a model of that seed gives; but a prompt is read once for all its seeds.

        Raises:
            PEToolBenchError: What is held at a time does not fit the memory.
        """
        waiting = iter(wanted)
        while pool := list(islice(waiting, AHEAD)):
            seeds = {instance.id: of_it for instance, of_it in pool}
            asked, refused = self._chat.ask_all([instance for instance, _ in pool], self._generation)
            yield from ((seed, prediction) for prediction in refused for seed in seeds[prediction.id])
            draws = [_Draw(one, seed) for one in asked for seed in seeds[one.instance.id]]
            if draws:
                yield from self._write(sorted(draws, key=lambda draw: len(draw.asked.ids), reverse=True))

    def _write(self, draws: Sequence[_Draw]) -> Iterator[tuple[int, Prediction]]:
        """Yield the answers to prompts, the longest of which come first."""
        import torch

        faults: list[tuple[int, Prediction]] = []
        longest = len(draws[0].asked.ids)
        slots = min(len(draws), self._decoder.slots(longest, self._batch_tokens))
        try:
            for answer in self._decoder.write(self._answers(draws, faults), longest, slots):
                yield answer.seed, answer.prediction()
        except torch.OutOfMemoryError:
            less = max(1, self._batch_tokens // 2)
            raise PEToolBenchError(
                f"{self.name}: {slots} prompts do not fit the GPU's memory together; pass --batch-tokens {less}"
            ) from None
        yield from faults

    def _answers(self, draws: Iterable[_Draw], faults: list[tuple[int, Prediction]]) -> Iterator[Answer]:
        """Yield answers that can be begun, each when its turn comes."""
        for draw in draws:
            try:
                yield self._begin(draw)
            except GrammarError as error:
                problem = f"--guided: its tools make no grammar: {error}"
                faults.append((draw.seed, Prediction(id=draw.asked.instance.id, error=problem)))

    def _begin(self, draw: _Draw) -> Answer:
        asked = draw.asked
        guide = self._guidance.guide(asked.instance, asked.prompt) if self._guidance is not None else None
        generation = replace(self._generation, seed=draw.seed)
        return Answer(asked, generation, self._loaded.tokenizer, self._ends, guide)


def _room(model: Any) -> int:
    """Return how many tokens' keys and values fit beside the model."""
    if model.device.type != "cuda":
        return CPU_BATCH_TOKENS
    import torch

    from .decoding import cache_bytes

    needed = max(1, cache_bytes(model))
    free, _ = torch.cuda.mem_get_info(model.device)
    return max(1, int(_GPU_SHARE * free) // needed)
