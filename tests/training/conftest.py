"""Fixtures of the tests of training."""

import pytest


@pytest.fixture(scope="session")
def trained(tmp_path_factory, small_data):
    """A folder with ``sft`` (the run), ``base`` (its base model) and ``report.json``."""
    for package in ("peft", "torch", "jinja2", "transformers"):
        pytest.importorskip(package)
    from tests.training.trained_run import write_report, write_trained_run

    folder = tmp_path_factory.mktemp("trained")
    run = write_trained_run(folder, small_data)
    write_report(folder / "report.json", small_data, run / "adapter")
    return folder
