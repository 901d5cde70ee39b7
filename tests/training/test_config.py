"""Configurations: every one is loaded, and what is wrong in one is told in one line."""

from pathlib import Path

import pytest
import yaml

from petoolbench.errors import InputError, OutputError
from training.config import DPOSettings, GRPOSettings, SFTSettings, check_output, read_asking, read_config, write_config

CONFIGS = Path(__file__).parents[2] / "training" / "configs"
KINDS = {"dpo": DPOSettings, "grpo": GRPOSettings, "sft": SFTSettings}
LEAST = {"model": "m", "output": "o", "trainer": {"learning_rate": "1e-4"}}


def kind_of(path):
    """Return the kind that a file's name ends in, or None for what configures no run."""
    return next((kind for method, kind in KINDS.items() if f"_{method}" in path.stem), None)


def written(folder, content):
    path = folder / "run.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "path", [path for path in sorted(CONFIGS.glob("*.yaml")) if kind_of(path)], ids=lambda p: p.stem
)
def test_every_configuration_is_loaded(path):
    config = read_config(path, kind_of(path))
    assert config.folder.name == path.stem


def test_the_papers_settings():
    config = read_config(CONFIGS / "llama31_8b_sft.yaml", SFTSettings)
    trainer = config.trainer
    assert trainer.learning_rate == 1e-4
    assert trainer.warmup_steps == 0.1
    assert trainer.per_device_train_batch_size * trainer.gradient_accumulation_steps == 16
    assert config.prompts.max_tokens == 4000
    assert config.data.config == "all"


def test_the_sharded_launch_is_one_that_accelerate_reads():
    pytest.importorskip("accelerate")
    from accelerate.commands.config.config_args import load_config_from_file

    config = load_config_from_file(str(CONFIGS / "fsdp.yaml"))
    assert config.distributed_type == "FSDP"
    assert config.fsdp_config["fsdp_version"] == 2


def test_numbers_may_be_written_with_an_exponent_alone(tmp_path):
    assert read_config(written(tmp_path, LEAST), SFTSettings).trainer.learning_rate == 1e-4


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"modle": "x"}, "field 'modle': unknown key; there are: model, adapter"),
        ({"data": {"sorce": "x"}}, "field 'data.sorce': unknown key; there are: source, config, split, limit"),
        ({"trainer": {}}, "field 'trainer.learning_rate': Field required"),
        ({"trainer": {"learning_rate": "fast"}}, "field 'trainer.learning_rate': Input should be a valid number"),
        ({"prompts": {"style": "plain"}}, "field 'prompts.style': Input should be 'paper' or 'native'"),
        ({"adapter": "a", "lora": {"r": 4}}, "lora says nothing where adapter names one"),
        ({"batching": "padded", "pack_tokens": 9}, "pack_tokens says nothing with batching: padded"),
    ],
)
def test_a_wrong_configuration_is_told_in_one_line(tmp_path, change, told):
    path = written(tmp_path, {**LEAST, **change})
    with pytest.raises(InputError) as found:
        read_config(path, SFTSettings)
    line = str(found.value)
    assert line.startswith(str(path))
    assert told in line
    assert "\n" not in line


@pytest.mark.parametrize(
    ("content", "told"),
    [("a: [1", "is not valid YAML"), ("- 1\n", "holds no keys"), ("", "the file is empty")],
)
def test_what_is_no_configuration(tmp_path, content, told):
    with pytest.raises(InputError, match=told):
        read_config(written(tmp_path, content), SFTSettings)


def test_an_option_takes_the_place_of_a_value(tmp_path):
    assert read_config(written(tmp_path, LEAST), SFTSettings, {"model": "other"}).model == "other"


def test_how_a_model_is_asked_is_read_from_any_method(tmp_path):
    path = written(
        tmp_path, {**LEAST, "beta": 0.1, "batching": "padded", "lora": {"r": 4}, "prompts": {"max_tokens": 9}}
    )
    config = read_asking(path, {"adapter": "a"})
    assert (config.adapter, config.prompts.max_tokens) == ("a", 9)
    with pytest.raises(InputError, match="field 'bta': unknown key"):
        read_asking(written(tmp_path, {**LEAST, "bta": 0.1}), {})


def test_an_output_folder_is_of_one_run(tmp_path):
    config = SFTSettings.model_validate({**LEAST, "output": str(tmp_path / "out")})
    check_output(config, resume=False)
    with pytest.raises(OutputError, match="holds no run to go on with"):
        check_output(config, resume=True)
    write_config(config, config.folder / "config.yaml")
    check_output(config, resume=True)
    with pytest.raises(OutputError, match="is not empty"):
        check_output(config, resume=False)
    with pytest.raises(OutputError, match="another 'seed'"):
        check_output(config.model_copy(update={"seed": 5}), resume=True)
