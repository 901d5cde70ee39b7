"""What judged runs say: averages by group, usage, calibration, paired comparisons, the effect of the history."""
