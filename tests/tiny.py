"""Tiny random language models with tokenizers of their own: real code paths, meaningless words, made in a second."""

from __future__ import annotations

from pathlib import Path

PLAIN_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
NO_SYSTEM_TEMPLATE = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}" + (
    PLAIN_TEMPLATE
)
THINKING_TEMPLATE = PLAIN_TEMPLATE.replace("<|assistant|>", "<|assistant|><think>\n")
TOOL_TEMPLATE = (
    "{% if tools %}<|system|>Tools, to be called in <tool_call> tags:"
    "{% for tool in tools %}{{ tool['function'] | tojson }}{% endfor %}<|end|>{% endif %}"
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}"
    "{% for call in message['tool_calls'] %}<tool_call>{{ call['function'] | tojson }}</tool_call>{% endfor %}"
    "<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
_SPECIAL = ["<|end|>", "<|pad|>", "<|system|>", "<|user|>", "<|assistant|>", "<|tool|>"]


def tiny_tokenizer(template: str | None = PLAIN_TEMPLATE, vocabulary: int = 600):
    """Return a byte-level tokenizer that was trained on a few words."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    words = [
        '{"tool_name": "<Weather>.<Dripp>.<current>", "parameters": {"city": "Oslo", "days": 3}}',
        "The user's tools",
    ]
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=_SPECIAL, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator(words * 4, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|end|>", pad_token="<|pad|>", chat_template=template
    )


def tiny_model(
    folder: Path, template: str | None = PLAIN_TEMPLATE, *, config=None, context: int = 16_384, seed: int = 0
) -> Path:
    """Write a random two-layer Llama, or a model of another config, with its tokenizer into a folder."""
    import torch
    from transformers import AutoModelForCausalLM, LlamaConfig

    tokenizer = tiny_tokenizer(template)
    if config is None:
        config = LlamaConfig(
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=context,
        )
    config.vocab_size = len(tokenizer)
    config.eos_token_id, config.pad_token_id, config.bos_token_id = 0, 1, None
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(4.0)  # so that answers differ from each other
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
