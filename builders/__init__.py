"""Builders of petoolbench data sets; run from the clone: ``python -m builders``."""
