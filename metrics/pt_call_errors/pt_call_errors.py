"""Error types of personalized tool calls."""

import petoolbench.metric
import petoolbench.statistics


class PtCallErrors(petoolbench.metric.CallMetric):
    """The share of each of the six error types and of fully correct answers; the seven add up to 1."""

    def _info(self):
        return self.described("The share of each of the six error types and of fully correct answers.")

    def _compute(self, predictions, references, mode="strict"):
        scores = self.judge(predictions, references, mode)
        return {**petoolbench.statistics.error_shares(scores), **self.counts(scores)}
