PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
AGENTS := random random-in-group lexical liked-minus-disliked latest-provider nearest-to-disliked
DATA ?= petoolbench

.PHONY: setup demo test slow quality data dist clean

setup: $(READY)

$(READY): pyproject.toml
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 10) and 'petoolbench needs Python 3.10 or newer; set PYTHON=')"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	touch $(READY)

demo: $(READY)  ## a small build; then every agent on the shipped data (or DATA=FOLDER), scored, and a report
	rm -rf demo
	$(BIN)/python -m builders --config builders/configs/small.yaml --work demo/stages --out demo/small
	$(BIN)/petoolbench info --data demo/small
	for agent in $(AGENTS); do $(BIN)/petoolbench predict --data $(DATA) --agent $$agent --out demo/runs/$$agent || exit; done
	$(BIN)/petoolbench predict --data $(DATA) --agent liked-minus-disliked --no-history --out demo/runs/no-history
	$(BIN)/petoolbench score demo/runs/liked-minus-disliked
	$(BIN)/petoolbench report $(AGENTS:%=demo/runs/%) demo/runs/no-history --out demo/report
	@echo "open $(CURDIR)/demo/report/report.html"

test: $(READY)  ## all fast tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto -m "not slow"

slow: $(READY)  ## the tests that take minutes or need a package registry
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto --dist loadscope -m slow

quality: $(READY)  ## formatting, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

data: $(READY)  ## rebuild the shipped data from the catalogue, from nothing
	$(BIN)/python -m builders --config builders/configs/petoolbench.yaml --fresh

dist: $(READY)  ## wheel and source archive under dist/
	rm -rf build dist
	$(BIN)/python -m build

clean:
	rm -rf $(VENV) build builds dist demo *.egg-info
