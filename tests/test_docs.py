"""The examples of the docs, run."""

import json

import pytest

from petoolbench.parsing import render_call
from petoolbench.schema import Prediction, Reference, ToolCall
from petoolbench.scoring import score
from tests.conftest import ROOT

TEXT = (ROOT / "docs" / "scoring.md").read_text(encoding="utf-8")
SCHEMA = json.loads(TEXT.split("```json\n")[1].split("```")[0])
CANDIDATES = ("<W>.<A>.<now>", "<W>.<B>.<now>")


def _rows(columns):
    """Return the cells of the table rows with that many columns and code in them, without the code marks."""
    rows = [line.strip("|").split(" | ") for line in TEXT.splitlines() if line.startswith("| ") and "`" in line]
    return [[cell.strip().strip("`") for cell in row] for row in rows if len(row) == columns]


def _reference(arguments):
    return Reference(
        name=CANDIDATES[0], arguments=arguments, group=CANDIDATES, candidates=CANDIDATES, parameters=SCHEMA
    )


@pytest.mark.parametrize(("answer", "strict", "official"), _rows(3))
def test_finding_the_call(answer, strict, official):
    for mode, wanted in (("strict", strict), ("official", official)):
        judged = score(Prediction(id="x", text=answer), _reference({"city": "Oslo"}), mode)
        assert (judged.error or "correct") == wanted, mode


@pytest.mark.parametrize(("rule", "given", "wanted", "strict", "official"), _rows(5))
def test_comparing_arguments(rule, given, wanted, strict, official):
    text = render_call(ToolCall(name=CANDIDATES[0], arguments=json.loads(given)))
    for mode, verdict in (("strict", strict), ("official", official)):
        judged = score(Prediction(id="x", text=text), _reference(json.loads(wanted)), mode)
        assert (judged.error or "correct") == verdict, mode


def test_there_are_examples():
    assert len(_rows(3)) >= 9
    assert len(_rows(5)) >= 14
