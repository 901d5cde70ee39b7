"""Catalogues of tools: our own marketplace, written for this project, and the way to read and check it."""
