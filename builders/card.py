"""The dataset card; every number in it comes from the build report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from petoolbench.audit.near import NEAR

CARD_DATA = {
    "pretty_name": "petoolbench",
    "license": "apache-2.0",
    "language": ["en"],
    "task_categories": ["text-generation"],
    "tags": ["tool-use", "function-calling", "personalization", "user-preferences"],
    "size_categories": ["10K<n<100K"],
}

_TEXT = """# petoolbench: personalized tool calls

Given an instruction, a user's past tool calls and {candidates} candidate tools, several of which do the same thing:
which one does *this* user want, and with which arguments? The task and the three settings are those of PEToolBench
(Xu et al., Findings of ACL 2025); tools, users and requests are our own.

```python
import petoolbench
from datasets import load_dataset

ds = load_dataset("petoolbench", "chronological", split="test")
```

## What is in it

| config | the history shows |
|---|---|
| `preferred_only` | calls that the user was happy with |
| `rating_integrated` | calls with a rating, 1 liked and 0 disliked |
| `chronological` | calls in order of time; the user turns to other providers, in each category at another moment |
| `all` | the three settings together |
| `attribute_transfer` | rated calls, each with the tool's description; only documented attributes tell what is liked |
| `tools` | the {tools} tools with parameters, response, functionality and non-functional description |

{split_table}

{tools} tools of {providers} providers ({vendors} vendors run more than one) in {categories} categories, in {groups}
groups of interchangeable tools ({functionalities} functionalities). Every provider, vendor and person is invented.

![Instances and history lengths](figures/instances.png)
![Tools by category](figures/categories.png)

`evidence` says how the history tells which tool of the group is wanted. `direct`: its provider was liked. `vendor`: its
vendor was, through a provider of another category; a vendor's providers start with the vendor's name. `elimination`:
every sibling's provider was disliked, or in time order left behind for another provider of its category. `attribute`:
the liked tools document something that the disliked ones do not. A program that reads nothing but the history settles
every instance.

Other columns: `history` (oldest first), `candidates` (parameters as JSON Schema text), `reference` (the call, the
group, and for each argument where its value stands: instruction, history or documentation), `functionality`,
`functionality_seen` (whether training instances ask for it too; half of the test's functionalities occur nowhere in
training), `provenance` (the gold group in the catalogue; JSON: register of the request).

## How it was made

By `python -m builders --config builders/configs/petoolbench.yaml`, with no language model: from a catalogue that was
written for this project, along the paper's steps. `build_report.json` holds the configuration, what every stage took
in and dropped, and the content hash `{short_hash}`. Grouping by embeddings agrees with the catalogue: purity
{purity:.3f}, completeness {completeness:.3f}. Candidates: the whole group, other whole groups retrieved for the
instruction, further retrieved tools, and random ones; none of them occurs in the history.

No test request of any config repeats a training request of any config: not in its words, nor nearly (a Jaccard index
of character 5-grams of {near} or more), nor in its arguments for the same group. {anew} requests were written anew for
that.

Limits: requests are filled phrasings, so words repeat more than people's do; tastes are sharper than life's; each
request wants one call; English only.

## What was trained on it

The repository's reference ranker, an agent without a language model, is trained on the training splits of the three
settings and on nothing else; its figures on the test splits and on official PEToolBench data, which it never saw, stand
in the repository under docs/results, beside an audit of these splits. Train on `train` only: the test's users are
others, and half of its functionalities occur nowhere in training.

Licence: Apache-2.0.
"""


def card_text(report: Mapping[str, Any]) -> str:
    """Return the card's Markdown for a build report."""
    catalogue = report["catalogue"]
    return _TEXT.format(
        candidates=report["config"]["candidates"],
        split_table=_split_table(report["splits"]),
        short_hash=report["content_hash"][:16],
        purity=report["grouping"]["purity"],
        completeness=report["grouping"]["completeness"],
        near=NEAR,
        anew=sum(count for tries, count in report["tries"].items() if tries != "1"),
        **{key: f"{catalogue[key]:,}" for key in _NUMBERS},
    )


_NUMBERS = ("tools", "providers", "vendors", "categories", "groups", "functionalities")


def _split_table(splits: Mapping[str, Mapping[str, Any]]) -> str:
    rows = [
        "| config/split | instances | distinct instructions | history length | gold tools | unseen | evidence |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, numbers in splits.items():
        evidence = ", ".join(f"{kind} {count}" for kind, count in numbers["evidence"].items())
        rows.append(
            f"| {name} | {numbers['instances']:,} | {numbers['distinct_instructions']:,} | "
            f"{numbers['mean_history_length']} | {numbers['gold_tools']:,} | {numbers['unseen_functionality']:,} | "
            f"{evidence} |"
        )
    return "\n".join(rows)
