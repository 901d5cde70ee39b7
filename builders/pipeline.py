"""The whole synthesis at a look: an ordered list of stages, each from records to records, each with a file of its own.

catalogue → tools understood → groups → plans (preferences) → histories → instructions → candidates → data set.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from petoolbench.console import Console
from petoolbench.llm import ChatModel
from petoolbench.schema import Record

from .attribute_plans import attribute_answer, make_attribute_plan, shown_attributes
from .candidates import Retriever, choose_candidates
from .catalogue.own import OwnCatalogue, catalogue_tools
from .clustering import GroupingQuality, group_tools, measure
from .config import BuildConfig
from .embedding import Embedder, Vectors
from .histories import HistoryPayload, history_request, read_history
from .instructions import final_requests
from .market import Market
from .preferences import make_plan
from .records import (
    CandidateList,
    CatalogueTool,
    FinalRequest,
    Group,
    History,
    Plan,
    Split,
    ToolExample,
    UnderstoodTool,
)
from .repeats import Asked
from .replies import ReplyError, UnsettledError, asked, text_of
from .schedule import Partition, Ticket, partition, tickets
from .stages import Funnel, StageFile, resumed
from .taste import shown_taste
from .understanding import attributes_request, example_request, filter_tools, read_attributes, read_example
from .workers import each_record

_R = TypeVar("_R", bound=Record)
_T = TypeVar("_T")

_CHUNK = 4096

STAGES = {
    "understanding": "understood",
    "grouping": "groups",
    "preferences": "plans",
    "histories": "histories",
    "instructions": "requests",
    "candidates": "candidates",
}
"""The stages in order, and the property of ``Build`` that holds what each makes."""


class Build:
    """One build: its stages as properties, each made from the ones before it and kept in a file of ``work``.

    Args:
        config: What to build.
        catalogue: The tools.
        model: Writes all prose.
        embedder: Makes all vectors.
        work: The folder of the stage files.
        console: Where progress is told.
    """

    def __init__(
        self,
        config: BuildConfig,
        catalogue: OwnCatalogue,
        model: ChatModel,
        embedder: Embedder,
        work: Path,
        console: Console,
    ) -> None:
        self.config = config
        self.model = model
        self.embedder = embedder
        self.funnel = Funnel()
        self._catalogue = catalogue
        self.work = work
        self._console = console

    def run_to(self, stage: str) -> None:
        """Run the stages up to one of ``STAGES``."""
        for name, attribute in STAGES.items():
            getattr(self, attribute)
            if name == stage:
                return

    @cached_property
    def understood(self) -> list[UnderstoodTool]:
        """Stage 2: every tool that passes the filters, with an example and its two descriptions."""
        self.embedder.prepare()
        dropped: Counter[str] = Counter()
        offered = list(catalogue_tools(self._catalogue))
        entries = {entry.tool.name: entry for entry in filter_tools(offered, dropped)}

        def make(keys: Sequence[str]) -> Iterator[UnderstoodTool]:
            for start in range(0, len(keys), _CHUNK):
                chunk = [entries[key] for key in keys[start : start + _CHUNK]]
                examples = list(self._examples(chunk, dropped))
                requests = (attributes_request(entry, example) for entry, example in examples)
                for (entry, example), (_, reply) in zip(examples, asked(self.model, requests), strict=True):
                    try:
                        yield read_attributes(entry, example, text_of(reply))
                    except ReplyError as error:
                        dropped[str(error)] += 1

        file = StageFile(self.work / "2_tools.jsonl", UnderstoodTool)
        found = resumed(file, list(entries), lambda tool: tool.tool.name, self._told(make, "tools", len(entries)))
        self.funnel.count("understanding", len(offered), len(found), dropped)
        return found

    def _examples(
        self, entries: Sequence[CatalogueTool], dropped: Counter[str]
    ) -> Iterator[tuple[CatalogueTool, ToolExample]]:
        for entry, (_, reply) in zip(entries, asked(self.model, map(example_request, entries)), strict=True):
            try:
                yield entry, read_example(entry, text_of(reply))
            except ReplyError as error:
                dropped[str(error)] += 1

    @cached_property
    def functional(self) -> Vectors:
        """The vectors of the functionality texts, one row a tool of ``understood``."""
        return self.embedder.encode([entry.tool.functionality or "" for entry in self.understood])

    def _non_functional(self) -> Vectors:
        """The vectors of the non-functional texts; that of several sentences is the mean direction of theirs."""
        texts = [(entry.tool.non_functional or "").split(". ") for entry in self.understood]
        sentences = [sentence.strip(" .") for parts in texts for sentence in parts]
        ends = np.cumsum([len(parts) for parts in texts])
        sums = np.add.reduceat(self.embedder.encode(sentences), [0, *ends[:-1]], axis=0)
        vectors: Vectors = sums / np.linalg.norm(sums, axis=1, keepdims=True)
        return vectors

    @cached_property
    def groups(self) -> list[Group]:
        """Stage 3: groups of interchangeable tools."""
        file = StageFile(self.work / "3_groups.jsonl", Group)
        if not file.complete:
            grouping = self.config.grouping
            file.write(group_tools(self.understood, self.functional, grouping.eps, grouping.min_samples))
        found = file.read()
        grouped = sum(len(group.tools) for group in found)
        alone = Counter({"alone in its group": len(self.understood) - grouped})
        self.funnel.count("grouping", len(self.understood), grouped, alone)
        return found

    @cached_property
    def grouping_quality(self) -> GroupingQuality:
        """How well the groups agree with what the catalogue knows."""
        return measure(self.groups, self.understood)

    @cached_property
    def market(self) -> Market:
        """The grouped tools, with their neighbours; made anew in each run."""
        return Market(self.groups, self.understood, self.functional, self._non_functional())

    @cached_property
    def partition(self) -> Partition:
        """Which groups training may use and the test asks for."""
        return partition(self.market, self.config)

    def allowed(self, split: str) -> frozenset[str]:
        """Return the groups that a split may use: training none of the unseen functionalities, the test any."""
        return self._allowed[split]

    @cached_property
    def _allowed(self) -> dict[str, frozenset[str]]:
        return {"train": frozenset(self.partition.train), "test": frozenset(self.market.groups)}

    @cached_property
    def plans(self) -> list[Plan]:
        """Stage 4: one plan a user."""
        wanted = {ticket.user_id: ticket for ticket in tickets(self.market, self.partition, self.config)}
        dropped: Counter[str] = Counter()

        def make(keys: Sequence[str]) -> Iterator[Plan]:
            return _kept(each_record(Plan, lambda key: self._plan(wanted[key]), keys), dropped)

        file = StageFile(self.work / "4_plans.jsonl", Plan)
        found = resumed(file, list(wanted), lambda plan: plan.user_id, self._told(make, "plans", len(wanted)))
        self.funnel.count("preferences", len(wanted), len(found), dropped)
        return found

    def _plan(self, ticket: Ticket) -> Plan | str:
        """Return a user's plan, or the reason why there is none."""
        sample = self.config.samples[ticket.config]
        allowed = self.allowed(ticket.split)
        try:
            if "attribute" in sample.evidence:
                return make_attribute_plan(self.market, ticket, self.config, allowed)
            return make_plan(self.market, ticket, sample, self.config, allowed)
        except UnsettledError as error:
            return str(error)

    @cached_property
    def histories(self) -> list[History]:
        """Stage 5: one history a plan; one that does not show what the plan says is dropped."""
        plans = {plan.user_id: plan for plan in self.plans}
        dropped: Counter[str] = Counter()

        def make(keys: Sequence[str]) -> Iterator[History]:
            return _kept(self._spread(History, self._histories, {key: plans[key] for key in keys}), dropped)

        file = StageFile(self.work / "5_histories.jsonl", History)
        found = resumed(file, list(plans), lambda one: one.user_id, self._told(make, "histories", len(plans)))
        self.funnel.count("histories", len(plans), len(found), dropped)
        return found

    def _histories(self, plans: Sequence[Plan]) -> Iterator[History | str]:
        """Yield the history of each plan, or the reason why there is none."""
        requests = (history_request(plan, self.market) for plan in plans)
        for plan, (request, reply) in zip(plans, asked(self.model, requests), strict=True):
            assert isinstance(request.payload, HistoryPayload)
            try:
                history = read_history(request.payload, text_of(reply))
                self._check_evidence(plan, history)
            except (ReplyError, UnsettledError) as error:
                yield str(error)
            else:
                yield history

    def _check_evidence(self, plan: Plan, history: History) -> None:
        if plan.taste is None:
            answer = shown_taste(self.market, plan.setting, history.calls).answer(plan.target.group)
        else:
            answer = attribute_answer(self.market, plan.target.group, shown_attributes(self.market, history.calls))
        if answer != plan.target:
            raise UnsettledError("the history does not show the preference")

    @cached_property
    def requests(self) -> list[FinalRequest]:
        """Stage 6: one instruction a history, with its gold arguments; those of the test repeat none of training."""
        dropped: Counter[str] = Counter()
        training = self._requests("train", (), dropped)
        found = [*training, *self._requests("test", training, dropped)]
        self.funnel.count("instructions", len(self.histories), len(found), dropped)
        return found

    def _requests(self, split: Split, known: Sequence[FinalRequest], dropped: Counter[str]) -> list[FinalRequest]:
        """Return the requests of one split, none of which repeats a known one of the other."""
        plans = {plan.user_id: plan for plan in self.plans}
        pairs = {one.user_id: (plans[one.user_id], one) for one in self.histories if plans[one.user_id].split == split}
        training = Asked(known, plans, self.market)

        def make(keys: Sequence[str]) -> Iterator[FinalRequest]:
            write = partial(final_requests, market=self.market, model=self.model, training=training)
            return _kept(self._spread(FinalRequest, write, {key: pairs[key] for key in keys}), dropped)

        file = StageFile(self.work / f"6_requests_{split}.jsonl", FinalRequest)
        told = self._told(make, f"{split} requests", len(pairs))
        return resumed(file, list(pairs), lambda one: one.user_id, told)

    @cached_property
    def candidates(self) -> list[CandidateList]:
        """Stage 7: the candidate tools of each request."""
        plans = {plan.user_id: plan for plan in self.plans}
        histories = {history.user_id: history for history in self.histories}
        requests = {request.user_id: request for request in self.requests}
        dropped: Counter[str] = Counter()
        retriever = Retriever(self.market)

        def choose(key: str, vector: Vectors) -> CandidateList | str:
            plan = plans[key]
            allowed = self.allowed(plan.split)
            try:
                return choose_candidates(plan, histories[key], vector, retriever, self.market, allowed, self.config)
            except UnsettledError as error:
                return str(error)

        def make(keys: Sequence[str]) -> Iterator[CandidateList]:
            for start in range(0, len(keys), _CHUNK):
                chunk = keys[start : start + _CHUNK]
                vectors = self.embedder.encode([requests[key].instruction for key in chunk])
                rows = dict(zip(chunk, vectors, strict=True))
                yield from _kept(each_record(CandidateList, partial(_with, choose, rows), chunk), dropped)

        file = StageFile(self.work / "7_candidates.jsonl", CandidateList)
        found = resumed(file, list(requests), lambda one: one.user_id, self._told(make, "candidates", len(requests)))
        self.funnel.count("candidates", len(requests), len(found), dropped)
        return found

    def _spread(
        self, form: type[_R], write: Callable[[Sequence[_T]], Iterator[_R | str]], work: Mapping[str, _T]
    ) -> Iterator[_R | str]:
        """Let the model write for each piece of work: in several processes where copies of it do as well."""
        if self.model.copies:
            return each_record(form, lambda key: next(write([work[key]])), list(work))
        return write(list(work.values()))

    def _told(self, make: Callable, what: str, total: int) -> Callable:  # type: ignore[type-arg]
        """Show the progress of a stage."""
        return lambda keys: self._console.track(make(keys), what, total=total)


def _kept(results: Iterable[_R | str], dropped: Counter[str]) -> Iterator[_R]:
    """Yield the records among records and reasons; count the reasons."""
    for result in results:
        if isinstance(result, str):
            dropped[result] += 1
        else:
            yield result


def _with(choose: Callable[[str, Vectors], _T], rows: Mapping[str, Vectors], key: str) -> _T:
    return choose(key, rows[key])
