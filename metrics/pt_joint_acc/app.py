"""The metric's page on the Hub."""

from pathlib import Path

import petoolbench.metric

petoolbench.metric.page(Path(__file__).with_name("pt_joint_acc.py")).launch()
