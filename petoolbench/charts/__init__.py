"""Pictures of a report's numbers; needs matplotlib (extra ``eval``)."""
