"""Tool Accuracy of personalized tool calls."""

import datasets
import evaluate

import petoolbench.metric


class PtToolAcc(petoolbench.metric.CallMetric):
    """The share of answers that call the tool which serves the request and suits the user."""

    def _info(self):
        return evaluate.MetricInfo(
            description="The share of answers that call the tool which serves the request and suits the user.",
            citation=petoolbench.metric.CITATION,
            inputs_description=petoolbench.metric.INPUTS,
            features=datasets.Features(petoolbench.metric.FEATURES),
        )

    def _compute(self, predictions, references, mode="strict"):
        scores = self.judge(predictions, references, mode)
        return self.result("pt_tool_acc", (entry.tool for entry in scores if entry.scored), scores)
