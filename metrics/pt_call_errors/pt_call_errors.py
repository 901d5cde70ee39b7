"""Error types of personalized tool calls."""

import datasets
import evaluate

import petoolbench.metric
import petoolbench.statistics


class PtCallErrors(petoolbench.metric.CallMetric):
    """The share of each of the six error types and of fully correct answers; the seven add up to 1."""

    def _info(self):
        return evaluate.MetricInfo(
            description="The share of each of the six error types and of fully correct answers.",
            citation=petoolbench.metric.CITATION,
            inputs_description=petoolbench.metric.INPUTS,
            features=datasets.Features(petoolbench.metric.FEATURES),
        )

    def _compute(self, predictions, references, mode="strict"):
        scores = self.judge(predictions, references, mode)
        return {**petoolbench.statistics.error_shares(scores), **self.counts(scores)}
