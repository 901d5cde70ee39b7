"""Scored runs → a ranking a data set: a static page and a Gradio Space."""
