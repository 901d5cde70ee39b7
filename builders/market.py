"""The grouped tools as a market: who offers what, which vendors stand behind, what is near to what."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from .embedding import Vectors
from .records import Group, UnderstoodTool

NEAR_GROUPS = 96
NEAR_TOOLS = 40
_OF_ONE_TEXT = 3


class Market:
    """An index over groups and their tools, of which those that belong to no group are left out.

    Args:
        groups: The groups.
        tools: All tools that were grouped.
        functional: The vectors of their functionality texts, one row a tool, of length one.
        non_functional: The vectors of their non-functional texts, likewise.
    """

    def __init__(
        self, groups: Sequence[Group], tools: Sequence[UnderstoodTool], functional: Vectors, non_functional: Vectors
    ) -> None:
        self.groups = {group.id: group for group in groups}
        self.group_of = {name: group.id for group in groups for name in group.tools}
        rows = {tool.tool.name: row for row, tool in enumerate(tools) if tool.tool.name in self.group_of}
        self.tools = {name: tools[row] for name, row in rows.items()}
        self.names = list(self.tools)
        self._members = {g.id: {tools[rows[name]].tool.provider: name for name in g.tools} for g in groups}
        self.provider = {name: tool.tool.provider for name, tool in self.tools.items()}
        self.vendor = {tool.tool.provider: tool.source.vendor for tool in self.tools.values()}
        self.category = {tool.tool.provider: tool.tool.category for tool in self.tools.values()}
        self.offered: dict[str, list[str]] = defaultdict(list)
        self.showing: dict[str, list[str]] = defaultdict(list)
        for name, tool in self.tools.items():
            self.offered[tool.tool.provider].append(name)
            for dimension, value in tool.source.attributes.items():
                self.showing[f"{dimension}: {value}"].append(name)
        self.runs: dict[str, list[str]] = defaultdict(list)
        for provider, vendor in self.vendor.items():
            if vendor is not None:
                self.runs[vendor].append(provider)
        self.group_vectors = _means(functional, [[rows[name] for name in group.tools] for group in groups])
        self._near_groups = self._find_near_groups()
        self._near_tools = self._find_near_tools(non_functional[[rows[name] for name in self.names]])

    def near_groups(self, group: str) -> list[str]:
        """Return other groups, the nearest in functionality first; groups of the same functionality lead."""
        return self._near_groups[group]

    def near_tools(self, tool: str) -> list[str]:
        """Return tools of other groups, the nearest in non-functional text first."""
        near = self._near_tools[self.tools[tool].tool.non_functional or ""]
        return [name for name in near if self.group_of[name] != self.group_of[tool]]

    def members(self, group: str) -> dict[str, str]:
        """Return the tools of a group by provider."""
        return self._members[group]

    def _find_near_groups(self) -> dict[str, list[str]]:
        keys = list(self.groups)
        alike: dict[str, list[str]] = defaultdict(list)
        for key, group in self.groups.items():
            alike[group.functionality].append(key)
        near = {}
        for row, key in enumerate(keys):
            order = np.argsort(-(self.group_vectors @ self.group_vectors[row]), kind="stable")[: NEAR_GROUPS + 1]
            same = alike[self.groups[key].functionality]
            near[key] = [other for other in dict.fromkeys([*same, *(keys[i] for i in order)]) if other != key]
        return near

    def _find_near_tools(self, vectors: Vectors) -> dict[str, list[str]]:
        """Return for each non-functional text the tools nearest to it, a few of each text."""
        holders: dict[str, list[int]] = defaultdict(list)
        for row, tool in enumerate(self.tools.values()):
            holders[tool.tool.non_functional or ""].append(row)
        texts = list(holders)
        distinct = vectors[[rows[0] for rows in holders.values()]]
        near = {}
        for index, text in enumerate(texts):
            order = np.argsort(-(distinct @ distinct[index]), kind="stable")[:NEAR_TOOLS]
            near[text] = [self.names[row] for place in order for row in holders[texts[place]][:_OF_ONE_TEXT]]
        return near


def _means(vectors: Vectors, rows: Sequence[Sequence[int]]) -> Vectors:
    """Return the mean direction of each set of rows."""
    sums = np.stack([vectors[list(members)].sum(axis=0) for members in rows])
    found: Vectors = sums / np.linalg.norm(sums, axis=1, keepdims=True)
    return found
