"""Tool Accuracy of personalized tool calls."""

import petoolbench.metric


class PtToolAcc(petoolbench.metric.CallMetric):
    """The share of answers that call the tool which serves the request and suits the user."""

    def _info(self):
        return self.described("The share of answers that call the tool which serves the request and suits the user.")

    def _compute(self, predictions, references, mode="strict"):
        scores = self.judge(predictions, references, mode)
        return self.result("pt_tool_acc", (entry.tool for entry in scores if entry.scored), scores)
