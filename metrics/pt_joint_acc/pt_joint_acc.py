"""Joint Accuracy of personalized tool calls."""

import datasets
import evaluate

import petoolbench.metric


class PtJointAcc(petoolbench.metric.CallMetric):
    """The share of answers that are fully correct: the right tool with the right arguments."""

    def _info(self):
        return evaluate.MetricInfo(
            description="The share of answers that are fully correct: the right tool with the right arguments.",
            citation=petoolbench.metric.CITATION,
            inputs_description=petoolbench.metric.INPUTS,
            features=datasets.Features(petoolbench.metric.FEATURES),
        )

    def _compute(self, predictions, references, mode="strict"):
        scores = self.judge(predictions, references, mode)
        return self.result("pt_joint_acc", (entry.tool and entry.arguments for entry in scores if entry.scored), scores)
