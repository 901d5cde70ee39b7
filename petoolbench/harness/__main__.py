"""``python -m petoolbench.harness``: print the folder that lm-evaluation-harness takes as ``--include_path``."""

from __future__ import annotations

from pathlib import Path

LM_EVAL_FOLDER = Path(__file__).resolve().parent / "lm_eval"

if __name__ == "__main__":
    print(LM_EVAL_FOLDER)
