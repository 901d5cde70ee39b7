"""The pictures of the dataset card: the paper's Figures 3 and 4, for our data."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")


def draw_statistics(report: Mapping[str, Any]) -> dict[str, bytes]:
    """Return PNG pictures by file name: instances and history lengths, and tools by category."""
    return {"instances.png": _instances(report["splits"]), "categories.png": _categories(report["catalogue"])}


def _instances(splits: Mapping[str, Mapping[str, Any]]) -> bytes:
    figure = Figure(figsize=(10, 3.6), dpi=120, layout="constrained")
    bars, lines = figure.subplots(1, 2, width_ratios=(1, 1.5))
    configs = list(dict.fromkeys(name.split("/")[0] for name in splits))
    for place, config in enumerate(configs):
        bottom = 0
        for split, shade in (("train", 1.0), ("test", 0.5)):
            count = splits.get(f"{config}/{split}", {"instances": 0})["instances"]
            bars.barh(place, count, left=bottom, color=_COLOURS[place % len(_COLOURS)], alpha=shade)
            if count:
                bars.text(bottom + count / 2, place, f"{split} {count:,}", ha="center", va="center", fontsize=7)
            bottom += count
        lengths = _lengths(splits, config)
        lines.plot(
            *zip(*sorted(lengths.items()), strict=True), marker="o", ms=3, label=config, color=_COLOURS[place % 4]
        )
    bars.set_yticks(range(len(configs)), configs, fontsize=8)
    bars.invert_yaxis()
    bars.set_xlabel("instances", fontsize=9)
    lines.set_xlabel("interactions in the history", fontsize=9)
    lines.set_ylabel("instances", fontsize=9)
    lines.set_ylim(bottom=0)
    lines.legend(fontsize=8, frameon=False)
    return _png(figure)


def _lengths(splits: Mapping[str, Mapping[str, Any]], config: str) -> Counter[int]:
    counts: Counter[int] = Counter()
    for name, numbers in splits.items():
        if name.split("/")[0] == config:
            counts.update({int(length): count for length, count in numbers["history_lengths"].items()})
    return counts


def _categories(catalogue: Mapping[str, Any]) -> bytes:
    counts = sorted(catalogue["tools_by_category"].items(), key=lambda item: (-item[1], item[0]))
    figure = Figure(figsize=(10, 3.4), dpi=120, layout="constrained")
    panel = figure.subplots()
    panel.bar([name for name, _ in counts], [count for _, count in counts], color=_COLOURS[0])
    panel.set_ylabel("tools", fontsize=9)
    panel.tick_params(axis="x", labelrotation=90, labelsize=7)
    panel.margins(x=0.01)
    return _png(figure)


def _png(figure: Figure) -> bytes:
    for panel in figure.axes:
        panel.spines[["top", "right"]].set_visible(False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
