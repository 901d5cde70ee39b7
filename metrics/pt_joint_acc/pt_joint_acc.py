"""Joint Accuracy of personalized tool calls."""

import petoolbench.metric


class PtJointAcc(petoolbench.metric.CallMetric):
    """The share of answers that are fully correct: the right tool with the right arguments."""

    def _info(self):
        return self.described("The share of answers that are fully correct: the right tool with the right arguments.")

    def _compute(self, predictions, references, mode="strict"):
        scores = self.judge(predictions, references, mode)
        return self.result("pt_joint_acc", (entry.tool and entry.arguments for entry in scores if entry.scored), scores)
