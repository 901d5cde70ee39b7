"""Recipes: LoRA SFT, DPO and RL over TRL and peft. Run from the clone; not installed."""
