"""Tools → groups of interchangeable tools (paper, section 3.2.2).

DBSCAN over the embeddings of the functionality texts; then a cluster is cut so that every group has one category and
one input and output format. A tool that is alone after that belongs to no group.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import DBSCAN

from petoolbench.files import content_hash, json_text
from petoolbench.schema import Tool

from .embedding import Vectors
from .records import Group, UnderstoodTool


@dataclass(frozen=True)
class GroupingQuality:
    """Agreement of the groups with what the catalogue knows, over the tools that it knows something of.

    ``purity``: the share of tools whose group is mostly of their own kind. ``completeness``: the share of tools that
    are in the group in which most of their kind are. ``alone``: tools that belong to no group.
    """

    groups: int
    alone: int
    purity: float
    completeness: float


def group_tools(tools: Sequence[UnderstoodTool], functional: Vectors, eps: float, min_samples: int) -> list[Group]:
    """Group tools that do the same.

    Args:
        tools: Any number.
        functional: The vectors of their functionality texts, one row a tool, of length one.
        eps: The greatest cosine distance of neighbours, 0 to 2.
        min_samples: How many neighbours, itself included, make a tool a core of a cluster.
    """
    labels = _clusters(functional, eps, min_samples)
    members: dict[Hashable, list[UnderstoodTool]] = defaultdict(list)
    for label, tool in zip(labels.tolist(), tools, strict=True):
        if label >= 0:
            members[(label, tool.tool.category, format_key(tool.tool))].append(tool)
    groups = [_group(found) for found in members.values() if len(found) > 1]
    names = Counter(group.id for group in groups)
    return [
        group.model_copy(update={"id": f"{group.id}/{content_hash(list(group.tools), 6)}"})
        if names[group.id] > 1
        else group
        for group in groups
    ]


def format_key(tool: Tool) -> str:
    """Return a text that is equal for tools of the same input and output format: names, types, which are required."""
    required = tool.parameters.get("required")
    names = sorted(str(name) for name in required) if isinstance(required, list) else []
    return json_text([_shape(tool.parameters), names, _shape(tool.response)])


def _shape(schema: object) -> object:
    """Return names and types of a JSON Schema object, without descriptions."""
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(properties, dict):
        return []
    return sorted((name, str(value.get("type"))) for name, value in properties.items() if isinstance(value, dict))


def _clusters(vectors: Vectors, eps: float, min_samples: int) -> NDArray[np.int64]:
    """Label each row with its cluster, -1 for noise. On unit vectors cosine distance is half the squared euclidean."""
    distinct, positions, counts = np.unique(vectors, axis=0, return_inverse=True, return_counts=True)
    model = DBSCAN(eps=float(np.sqrt(2 * eps)), min_samples=min_samples, algorithm="brute")
    labels: NDArray[np.int64] = model.fit(distinct, sample_weight=counts).labels_[positions.reshape(-1)]
    return labels


def _group(tools: Sequence[UnderstoodTool]) -> Group:
    """Return the group; it is named by what most of its tools are called in the catalogue, or else by its content."""
    names = tuple(sorted(tool.tool.name for tool in tools))
    category = tools[0].tool.category
    identity = _most(tool.source.group_key for tool in tools) or f"{category}/{content_hash(list(names), 10)}"
    functionality = _most(tool.source.functionality_key for tool in tools) or identity
    return Group(id=identity, functionality=functionality, category=category, tools=names)


def _most(keys: Iterable[str | None]) -> str | None:
    counts = Counter(key for key in keys if key is not None)
    return min(counts, key=lambda key: (-counts[key], key)) if counts else None


def measure(groups: Sequence[Group], tools: Sequence[UnderstoodTool]) -> GroupingQuality:
    """Compare groups with the keys of the catalogue."""
    truth = {tool.tool.name: tool.source.group_key for tool in tools if tool.source.group_key is not None}
    together = Counter(
        (index, truth[name]) for index, group in enumerate(groups) for name in group.tools if name in truth
    )
    grouped = sum(together.values())
    by_group: dict[int, int] = defaultdict(int)
    by_kind: dict[str, int] = defaultdict(int)
    for (index, kind), count in together.items():
        by_group[index] = max(by_group[index], count)
        by_kind[kind] = max(by_kind[kind], count)
    return GroupingQuality(
        groups=len(groups),
        alone=len(tools) - sum(len(group.tools) for group in groups),
        purity=sum(by_group.values()) / grouped if grouped else float("nan"),
        completeness=sum(by_kind.values()) / len(truth) if truth else float("nan"),
    )
