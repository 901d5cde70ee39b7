"""Parameter Accuracy of personalized tool calls."""

import petoolbench.metric


class PtParamAcc(petoolbench.metric.CallMetric):
    """The share of answers whose arguments are right, whether or not the tool is."""

    def _info(self):
        return self.described("The share of answers whose arguments are right, whether or not the tool is.")

    def _compute(self, predictions, references, mode="strict"):
        scores = self.judge(predictions, references, mode)
        return self.result("pt_param_acc", (entry.arguments for entry in scores if entry.scored), scores)
