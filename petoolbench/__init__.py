"""petoolbench: personalized tool learning for language models.

Importing the package teaches ``datasets`` the name ``petoolbench`` and ``evaluate`` the names of our metrics, so
that ``load_dataset("petoolbench", CONFIG)`` and ``evaluate.load("pt_tool_acc")`` work in any folder, offline. It
loads neither ``torch`` nor ``evaluate``.
"""

import logging

from .dataset import register
from .errors import OutputError
from .metric_modules import register_metrics
from .version import VERSION

__version__ = VERSION

register()
try:
    register_metrics()
except OutputError as error:
    logging.getLogger(__name__).warning("evaluate.load will not find the petoolbench metrics: %s", error)
