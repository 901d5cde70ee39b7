"""The benchmark in Inspect AI and in lm-evaluation-harness: their models, our prompts and our scorer."""
