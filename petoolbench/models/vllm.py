"""Models on vLLM: its own batching, with prefixes that prompts share computed once."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final

from ..errors import MissingExtraError, PEToolBenchError
from ..files import content_hash
from ..schema import Instance, Prediction
from .chat import Asked, Chat
from .closing import ClosingWatch
from .guided import call_schema
from .hardware import hardware, package_versions
from .loading import DTYPES
from .protocol import Generation
from .reading import read_answer

AHEAD: Final = 1_024
"""How many instances are given to the engine at once."""


def load_vllm(
    name: str,
    generation: Generation,
    *,
    adapter: str | None = None,
    dtype: str = "auto",
    tensor_parallel: int = 1,
) -> VllmModel:
    """Return a model that answers through vLLM's offline engine.

    Args:
        name: A folder or a Hub id.
        generation: How it answers.
        adapter: A folder or Hub id of a LoRA adapter of rank 64 at most.
        dtype: ``auto``, ``float32``, ``bfloat16`` or ``float16``.
        tensor_parallel: Over how many GPUs the weights are spread.

    Raises:
        MissingExtraError: vLLM is not installed.
        PEToolBenchError: The engine cannot be started with this model.
    """
    if dtype not in DTYPES:
        raise PEToolBenchError(f"--dtype {dtype}: choose from {', '.join(DTYPES)}")
    try:
        import vllm
    except ImportError:
        raise MissingExtraError("--model vllm:…", "vllm", "vllm") from None
    lora = {"enable_lora": True, "max_lora_rank": 64} if adapter is not None else {}
    try:
        engine = vllm.LLM(
            model=name,
            dtype=dtype,
            tensor_parallel_size=tensor_parallel,
            max_model_len=generation.window + generation.max_new_tokens,
            enable_prefix_caching=True,
            trust_remote_code=False,
            seed=generation.seed,
            **lora,
        )
    except (OSError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise PEToolBenchError(f"vllm:{name}: cannot be started ({reason}); check its name and --window") from error
    return VllmModel(engine, name, generation, adapter)


class VllmModel:
    """An engine of vLLM; see ``petoolbench.models.protocol.LanguageModel``.

    An answer ends where the model ends it: the engine cannot stop at the closing of a call, but what follows it is cut
    off. ``seconds`` of an answer is its equal share of the time of those given to the engine with it.
    """

    def __init__(self, engine: Any, name: str, generation: Generation, adapter: str | None) -> None:
        self.name = f"vllm:{name}" if adapter is None else f"vllm:{name}+{adapter}"
        self._engine = engine
        self._generation = generation
        self._adapter = adapter
        self._chat = Chat(engine.get_tokenizer(), generation.style, self.name)

    def described(self) -> dict[str, str]:
        """Return what a run's manifest says of the model, its software and the machine."""
        own = {"chat_template": self._chat.template_hash}
        return own | hardware() | package_versions(("vllm", "torch", "transformers"))

    def answers(self, instances: Iterable[Instance]) -> Iterator[Prediction]:
        """Yield one prediction an instance; the engine orders and batches them by itself."""
        waiting = iter(instances)
        while pool := list(islice(waiting, AHEAD)):
            asked, refused = self._chat.ask_all(pool, self._generation)
            yield from refused
            if asked:
                yield from self._write(asked)

    def _write(self, asked: Sequence[Asked]) -> Iterator[Prediction]:
        from vllm.lora.request import LoRARequest

        started = time.perf_counter()
        try:
            outputs = self._engine.generate(
                [{"prompt_token_ids": entry.ids} for entry in asked],
                [self._sampling(entry) for entry in asked],
                use_tqdm=False,
                lora_request=LoRARequest("adapter", 1, self._adapter) if self._adapter is not None else None,
            )
        except ValueError as error:
            # The engine refuses a whole list for one schema that it cannot express.
            if len(asked) == 1:
                yield Prediction(
                    id=asked[0].instance.id, error=f"vLLM refuses it: {' '.join(str(error).split())[:200]}"
                )
                return
            for entry in asked:
                yield from self._write([entry])
            return
        share = (time.perf_counter() - started) / len(asked)
        for entry, output in zip(asked, outputs, strict=True):
            yield _prediction(entry, output, share)

    def _sampling(self, asked: Asked) -> Any:
        from vllm import SamplingParams
        from vllm.sampling_params import StructuredOutputsParams

        form = None
        if self._generation.guided:
            schema = call_schema(asked.instance, asked.prompt)
            form = StructuredOutputsParams(json=schema, disable_any_whitespace=True)
        return SamplingParams(
            temperature=self._generation.temperature,
            max_tokens=self._generation.max_new_tokens,
            seed=int(content_hash([self._generation.seed, asked.instance.id], length=8), 16),
            structured_outputs=form,
        )


def _prediction(asked: Asked, output: Any, seconds: float) -> Prediction:
    written = output.outputs[0]
    watch = ClosingWatch(asked.opening, tagged=asked.tagged)
    end = watch.feed(written.text)
    return Prediction(
        id=asked.instance.id,
        seconds=round(seconds, 3),
        prompt_tokens=len(asked.ids),
        completion_tokens=len(written.token_ids),
        dropped=asked.prompt.dropped,
        finish=written.finish_reason if end is None else "closed",
        **read_answer(watch.text[:end], asked.prompt),
    )
