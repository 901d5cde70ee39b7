"""Shared fixtures. Caches of the Hugging Face libraries go to a folder of this test run, and nothing goes online."""

import gzip
import json
import os
import tempfile
from pathlib import Path

_HOME = tempfile.mkdtemp(prefix="petoolbench-tests-")
os.environ["HF_HOME"] = _HOME
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_DISABLE_PROGRESS_BARS"] = "1"
os.environ.pop("HF_MODULES_CACHE", None)
os.environ.pop("HF_DATASETS_CACHE", None)

import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402

from petoolbench.folders import open_dataset  # noqa: E402
from petoolbench.official import read_published  # noqa: E402
from tests.handwritten import write_handwritten  # noqa: E402

settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None, max_examples=2_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

ROOT = Path(__file__).parent.parent
OFFICIAL = ROOT.parent / "shared" / "data" / "petoolbench_official_test_dev.json.gz"


@pytest.fixture(scope="session")
def official_file():
    """The published test entries, where this machine has them."""
    if not OFFICIAL.is_file():
        pytest.skip("the published test entries are not on this machine")
    return OFFICIAL


@pytest.fixture(scope="session")
def official_entries(official_file):
    """The published entries as they were published."""
    return json.loads(gzip.decompress(official_file.read_bytes()))


@pytest.fixture(scope="session")
def official_instances(official_file):
    """The published entries as instances, three in a row for each entry."""
    return [published.instance for published in read_published(official_file)]


@pytest.fixture(scope="session")
def small_data(tmp_path_factory) -> Path:
    """The hand-written data set as a dataset folder: 15 test and 5 training instances a setting."""
    folder = tmp_path_factory.mktemp("handwritten")
    write_handwritten(folder)
    return folder


@pytest.fixture(scope="session")
def small_instances(small_data):
    """All instances of the hand-written data set."""
    data = open_dataset(str(small_data))
    return [entry for split in data.splits("all") for entry in data.instances("all", split)]


def published_tool(name, required=(), optional=()):
    """Return a tool's documentation in the published form."""
    return {
        "tool_name": name,
        "tool_description": f"Documentation of {name}",
        "required_parameters": list(required),
        "optional_parameters": list(optional),
    }


PARAMETER = {"name": "city", "type": "STRING", "description": "Which city", "default": "Bergen"}
TOOLS = [
    published_tool("<Weather>.<Föhn & Co.>.<now/by.city>", [PARAMETER]),
    published_tool("<Weather>.<Dripp>.<current>", [PARAMETER]),
    published_tool(
        "<Music>.<🎵 Tunes>.<find>", [], [{"name": "limit", "type": "NUMBER", "description": "", "default": "5"}]
    ),
]
HISTORY = [
    {
        "instruction": "Play something by Ånon",
        "tool_call": {"tool_name": "<Music>.<Föhn & Co.>.<play>", "parameters": {"artist": "Ånon", "loud": True}},
    },
    {
        "instruction": "How is the pollen in Voss?",
        "tool_call": {"tool_name": "<Health>.<Dripp>.<pollen>", "parameters": {"city": "Voss", "days": 3}},
    },
]
GOLD = {"tool_name": "<Weather>.<Föhn & Co.>.<now/by.city>", "parameters": {"city": "Oslo"}}


def published_prompt(history, lead="Calls so far:"):
    """Return a prompt of the published structure, in other words."""
    lines = json.dumps(history, ensure_ascii=False)
    tools = json.dumps(TOOLS, ensure_ascii=False)
    return f"\nChoose well.\n{lead}\n{lines}\n\nTools at hand:\n{tools}\n\nAnswer in JSON.\n\n"


def published_entry(entry_id=1, query="What is the weather in Oslo?"):
    """Return a test entry of the layout with all three settings."""
    rated = [{**entry, "rating": rating} for entry, rating in zip(HISTORY, (1, 0), strict=True)]
    group = [
        {"category_name": "Weather", "tool_name": "Föhn & Co.", "api_name": "now/by.city"},
        {"category_name": "Weather", "tool_name": "Dripp", "api_name": "current"},
    ]
    return {
        "query": query,
        "instruction_preferred": published_prompt(HISTORY),
        "instruction_ratings": published_prompt(rated, "Calls and ratings:"),
        "instruction_chronological": published_prompt(HISTORY, "Calls in chronological order:"),
        "apis_candidate": json.dumps(TOOLS, ensure_ascii=False),
        "api_call_ground_truth": GOLD,
        "api_ground_truth": group[0],
        "func": "7",
        "apis_same_func": group,
        "tool_comb": ["Föhn & Co."],
        "num_tools_combined": "1",
        "history_length": 2,
        "entry_id": entry_id,
    }


@pytest.fixture
def published_file(tmp_path):
    """A file of three entries of the published layout."""
    path = tmp_path / "user_entries_test.json"
    entries = [
        published_entry(number, f"What is the weather in Oslo, part {word}?") for number, word in enumerate("abc")
    ]
    path.write_text(json.dumps(entries, ensure_ascii=False), encoding="utf-8")
    return path
