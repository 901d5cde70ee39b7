"""Parameter Accuracy of personalized tool calls."""

import datasets
import evaluate

import petoolbench.metric


class PtParamAcc(petoolbench.metric.CallMetric):
    """The share of answers whose arguments are right, whether or not the tool is."""

    def _info(self):
        return evaluate.MetricInfo(
            description="The share of answers whose arguments are right, whether or not the tool is.",
            citation=petoolbench.metric.CITATION,
            inputs_description=petoolbench.metric.INPUTS,
            features=datasets.Features(petoolbench.metric.FEATURES),
        )

    def _compute(self, predictions, references, mode="strict"):
        scores = self.judge(predictions, references, mode)
        return self.result("pt_param_acc", (entry.arguments for entry in scores if entry.scored), scores)
