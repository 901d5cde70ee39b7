"""The records of all stages → instances, and a dataset folder of them: parquet, card, figures and build report."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from petoolbench.files import content_hash, json_text, write_bytes, write_text
from petoolbench.folders import TOOLS_CONFIG, write_dataset
from petoolbench.schema import (
    Instance,
    Interaction,
    Provenance,
    Record,
    Reference,
    Tool,
    ToolCall,
)

from .card import CARD_DATA, card_text
from .card_figures import draw_statistics
from .pipeline import Build
from .records import CandidateList, FinalRequest, History, Plan
from .workers import each

REPORT = "build_report.json"
FIGURES = "figures"

Instances = dict[str, dict[str, list[Instance]]]


def build_instances(build: Build) -> Instances:
    """Join what the stages made, by config and split, in the order of the plans."""
    histories = {history.user_id: history for history in build.histories}
    requests = {request.user_id: request for request in build.requests}
    candidates = {entry.user_id: entry for entry in build.candidates}
    shown = {name: _shown(tool.tool) for name, tool in build.market.tools.items()}
    found: Instances = {name: {"train": [], "test": []} for name in build.config.samples}
    for plan in build.plans:
        key = plan.user_id
        if key in candidates:
            instance = _instance(build, plan, histories[key], requests[key], candidates[key], shown)
            found[plan.config][plan.split].append(instance)
    return {name: {split: rows for split, rows in splits.items() if rows} for name, splits in found.items()}


def export(build: Build, folder: Path) -> None:
    """Write the data set of a build into an empty folder."""
    instances = build_instances(build)
    tools = [entry.tool for entry in build.understood]
    report = build_report(build, instances, tools)
    write_dataset(folder, instances, tools, card_text(report), CARD_DATA, run=partial(each, chunk=1))
    for name, picture in draw_statistics(report).items():
        write_bytes(folder / FIGURES / name, picture)
    write_text(folder / REPORT, json.dumps(report, indent=1, ensure_ascii=False) + "\n")


def _shown(tool: Tool) -> Tool:
    """Return what a model may see of a tool."""
    return tool.model_copy(update={"response": {}, "functionality": None, "non_functional": None})


def _instance(
    build: Build,
    plan: Plan,
    history: History,
    request: FinalRequest,
    candidates: CandidateList,
    shown: Mapping[str, Tool],
) -> Instance:
    market = build.market
    documented = build.config.samples[plan.config].documentation
    gold = ToolCall(name=str(plan.target.tool), arguments=request.arguments)
    interactions = tuple(
        Interaction(
            instruction=past.instruction,
            call=past.call,
            rating=int(past.liked) if plan.setting == "rating_integrated" else None,
            position=position,
            documentation=shown[past.call.name].description if documented else None,
        )
        for position, past in enumerate(history.calls)
    )
    return Instance(
        id=content_hash([plan.config, plan.user_id, request.instruction, gold.model_dump()]),
        setting=plan.setting,
        user_id=plan.user_id,
        instruction=request.instruction,
        history=interactions,
        candidates=tuple(shown[name] for name in candidates.names),
        reference=Reference(
            name=gold.name,
            arguments=gold.arguments,
            accepted=request.accepted,
            group=market.groups[plan.target.group].tools,
            candidates=candidates.names,
            parameters=shown[gold.name].parameters,
        ),
        functionality=market.groups[plan.target.group].functionality,
        functionality_seen=plan.functionality_seen,
        evidence=plan.target.evidence,
        provenance=Provenance(
            source=build.config.name, record=plan.target.group, details=json_text(_details(plan, request))
        ),
    )


def _details(plan: Plan, request: FinalRequest) -> dict[str, Any]:
    details: dict[str, Any] = {"register": request.speech}
    return details if plan.taste is None else {**details, "taste": plan.taste}


def build_report(build: Build, instances: Instances, tools: Sequence[Tool]) -> dict[str, Any]:
    """Return what was built, from what, and what was dropped on the way; all of it depends on the input alone."""
    market = build.market
    quality = build.grouping_quality
    return {
        "name": build.config.name,
        "config": build.config.model_dump(mode="json"),
        "model": build.model.name,
        "embedder": build.embedder.name,
        "content_hash": content_digest(instances, tools),
        "catalogue": {
            "categories": len({tool.category for tool in tools}),
            "functionalities": len({group.functionality for group in market.groups.values()}),
            "groups": len(market.groups),
            "providers": len(market.category),
            "vendors": len(market.runs),
            "tools": len(tools),
            "tools_by_category": dict(sorted(Counter(tool.category for tool in tools).items())),
            "group_sizes": _counted(len(group.tools) for group in market.groups.values()),
        },
        "grouping": {
            "groups": quality.groups,
            "alone": quality.alone,
            "purity": round(quality.purity, 4),
            "completeness": round(quality.completeness, 4),
        },
        "funnel": {name: asdict(counts) for name, counts in build.funnel.stages.items()},
        "tries": _counted(request.tries for request in build.requests),
        "splits": {
            f"{name}/{split}": split_statistics(rows)
            for name, splits in instances.items()
            for split, rows in splits.items()
        },
    }


def split_statistics(rows: Sequence[Instance]) -> dict[str, Any]:
    """Return the numbers of one split that the card shows."""
    lengths = [len(row.history) for row in rows]
    origins = Counter(entry.origin for row in rows for entry in row.reference.accepted)
    return {
        "instances": len(rows),
        "users": len({row.user_id for row in rows}),
        "distinct_instructions": len({row.instruction for row in rows}),
        "gold_tools": len({row.reference.name for row in rows}),
        "functionalities": len({row.functionality for row in rows}),
        "unseen_functionality": sum(row.functionality_seen is False for row in rows),
        "evidence": _counted(row.evidence for row in rows),
        "history_lengths": _counted(lengths),
        "mean_history_length": round(sum(lengths) / len(lengths), 2),
        "group_sizes": _counted(len(row.reference.group) for row in rows),
        "categories": _counted(_category(row) for row in rows),
        "argument_origins": dict(sorted((str(origin), count) for origin, count in origins.items())),
    }


def _category(row: Instance) -> str:
    return next(tool.category for tool in row.candidates if tool.name == row.reference.name)


def _counted(values: Any) -> dict[str, int]:
    counts = Counter(values)
    return {str(value): counts[value] for value in sorted(counts)}


def content_digest(instances: Instances, tools: Sequence[Tool]) -> str:
    """Return the SHA-256 over the records of a data set: over the digests of its splits and of its tools, in order."""
    parts: dict[str, Sequence[Record]] = {
        f"{name}/{split}": rows for name, splits in instances.items() for split, rows in splits.items()
    }
    parts[TOOLS_CONFIG] = tools
    digests = each(lambda name: _digest(parts[name]), list(parts), chunk=1)
    return hashlib.sha256("\n".join(f"{n} {d}" for n, d in zip(parts, digests, strict=True)).encode()).hexdigest()


def _digest(records: Sequence[Record]) -> str:
    digest = hashlib.sha256()
    for record in records:
        digest.update(record.model_dump_json().encode("utf-8") + b"\n")
    return digest.hexdigest()
