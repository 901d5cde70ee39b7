"""``python -m training.publish``: an adapter, a data set or a metric → its repository on the Hugging Face Hub.

Everything is rendered and checked in a folder before anything is pushed; ``--dry-run`` keeps that folder instead.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from huggingface_hub import metadata_load
from huggingface_hub.utils import disable_progress_bars  # type: ignore[attr-defined]  # not in its __all__

from petoolbench.console import Console
from petoolbench.errors import InputError, PEToolBenchError
from petoolbench.files import new_folder
from petoolbench.folders import CARD, PACKAGE_NAME, open_dataset
from petoolbench.models.loading import load

from .cards import Publication, model_card
from .hub import RepositoryKind, check_name, check_no_secret, check_token, is_name, push
from .run_folder import ADAPTER_CONFIG, TrainingRun, read_training_run
from .running import ADAPTER
from .scores import Source, Tested, own_tests, read_reports
from .spaces import write_dataset_repository, write_metric_space

MERGED: Final = "merged"
_REPLACED: Final[dict[RepositoryKind, tuple[str, ...]]] = {
    "model": (f"{MERGED}/*", "adapter_model*"),
    "dataset": ("data/*",),
    "space": (),
}
"""What of an older release must not stay behind, since it would be loaded with the new one."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 done, 2 the input is wrong, 130 interrupted."""
    options = _parser().parse_args(arguments)
    console = Console(options.quiet)
    if options.quiet:
        disable_progress_bars()
    try:
        _publish(options, console)
    except PEToolBenchError as error:
        console.error(str(error))
        return 2
    except KeyboardInterrupt:
        console.error("interrupted; a push that had not ended left the repository as it was")
        return 130
    return 0


def _publish(options: argparse.Namespace, console: Console) -> None:
    check_name(options.repo)
    kind = _kind(options)
    if options.dry_run is not None:
        with new_folder(options.dry_run, overwrite=options.overwrite) as work:
            _write(options, work)
        console.note(f"{options.dry_run}: what would be pushed to {options.repo}")
        return
    check_token()
    with tempfile.TemporaryDirectory(prefix="petoolbench-publish-") as name:
        _write(options, Path(name))
        place = push(Path(name), options.repo, kind, options.private, _REPLACED[kind])
    console.note(f"pushed to {place}")


def _kind(options: argparse.Namespace) -> RepositoryKind:
    given = [options.run_folder, options.dataset, options.metric]
    if sum(entry is not None for entry in given) != 1:
        raise PEToolBenchError("give one of a run folder, --dataset and --metric")
    if options.run_folder is None:
        for name in ("report", "run", "data", "base", "trained_on", "license", "merged"):
            if getattr(options, name):
                raise PEToolBenchError(f"--{name.replace('_', '-')} goes with a run folder only")
    return "model" if options.run_folder is not None else "dataset" if options.dataset is not None else "space"


def _write(options: argparse.Namespace, out: Path) -> None:
    """Write what is to be pushed into an empty folder, and check it."""
    hidden: list[str] = []
    if options.dataset is not None:
        write_dataset_repository(options.dataset, options.repo, out)
    elif options.metric is not None:
        write_metric_space(options.metric, options.repo, options.package, out)
    else:
        hidden = _write_model(options, out)
    check_no_secret(out, hidden)


def _write_model(options: argparse.Namespace, out: Path) -> list[str]:
    """Write an adapter's repository.

    Returns:
        Folders of this machine that it must not tell.
    """
    run = read_training_run(options.run_folder)
    if not options.report:
        raise PEToolBenchError(
            "a model card needs --report: a report.json or scores-strict.json of this adapter's test"
        )
    base = _base(run, options.base)
    sources = _sources(run, options)
    reports = read_reports(options.report)
    tests = own_tests(reports, run.weights.parent, options.repo, options.run, sources)
    trained_on = _trained_on(run, sources)
    _check_not_trained_on(tests, trained_on, run)
    hub_data = (trained_on,) if "/" in trained_on and is_name(trained_on) else ()
    publication = Publication(options.repo, base, hub_data, options.license, options.merged)
    (out / CARD).write_text(model_card(run, tests, trained_on, publication), encoding="utf-8")
    _write_adapter(run, base, out)
    if options.merged:
        _write_merged(run, out / MERGED)
    return [str(place) for place in (run.folder.resolve(), Path(run.base).expanduser()) if place.is_absolute()]


def _base(run: TrainingRun, named: str | None) -> str:
    """Return the base model's name on the Hub."""
    if named is None and run.report.model.weights:
        raise InputError(
            f"was trained from files of this machine ({Path(run.base).name}); say with --base which model of the Hub "
            "they are",
            file=run.folder,
        )
    base = named or run.base.partition("::")[0]
    if not is_name(base):
        raise PEToolBenchError(f"--base {base!r} names no model of the Hub; write ORG/NAME")
    return base


def _sources(run: TrainingRun, options: argparse.Namespace) -> list[Source]:
    """Return the data sets that tests may be of: the one that was trained on, then those of ``--data``."""
    trained = run.report.data.source.source
    found = [Source(_name(name), open_dataset(name)) for name in options.data]
    if isinstance(trained, str) and not Path(trained).is_file():
        try:
            found.insert(0, Source(options.trained_on or _name(trained), open_dataset(trained)))
        except InputError as error:
            if not found:
                raise InputError(
                    f"the data it was trained on: {error}; say where it is with --data", file=run.folder
                ) from None
    return found


def _name(source: str) -> str:
    """Return how cards call a data set: as the Hub does, or by what its card calls it."""
    folder = Path(source)
    if source.rstrip("/") == PACKAGE_NAME or not folder.is_dir():
        return source.rstrip("/")
    return str((metadata_load(folder / CARD) or {}).get("pretty_name") or folder.resolve().name)


def _trained_on(run: TrainingRun, sources: Sequence[Source]) -> str:
    """Return the name of the training data.

    Raises:
        InputError: No source holds it any more.
    """
    trained = run.report.data.source
    for source in sources:
        if source.holds(trained.config, trained.split, trained.fingerprint):
            return source.name
    known = ", ".join(source.name for source in sources) or "no data set"
    raise InputError(
        f"was trained on data of fingerprint {trained.fingerprint} ({trained.config}/{trained.split}), which {known} "
        "does not hold; say where it is with --data",
        file=run.folder,
    )


def _check_not_trained_on(tests: Sequence[Tested], trained_on: str, run: TrainingRun) -> None:
    trained = run.report.data.source
    for tested in tests:
        spec = tested.run.spec
        if spec.fingerprint == trained.fingerprint or (tested.data, spec.split) == (trained_on, trained.split):
            raise InputError(
                f"the report's run {tested.run.name!r} was made on the split that was trained on, {spec.split!r}; test "
                "on another",
                file=run.folder,
            )


def _write_adapter(run: TrainingRun, base: str, out: Path) -> None:
    """Write adapter and tokenizer; the adapter names its base as the Hub does."""
    told = {**run.adapter, "base_model_name_or_path": base}
    (out / ADAPTER_CONFIG).write_text(json.dumps(told, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    for path in (run.weights, *run.tokenizer):
        shutil.copyfile(path, out / path.name)


def _write_merged(run: TrainingRun, out: Path) -> None:
    """Write the base's weights with the adapter merged into them, and the tokenizer, as one model."""
    loaded = load(run.base, str(run.folder / ADAPTER), "auto", "cpu")
    loaded.model.save_pretrained(out)
    loaded.tokenizer.save_pretrained(out)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.publish", description="Publish an adapter, a data set or a metric on the Hub."
    )
    parser.add_argument("run_folder", nargs="?", type=Path, metavar="RUN", help="the output folder of a training run")
    parser.add_argument("--dataset", metavar="FOLDER", help="publish a dataset folder, or 'petoolbench'")
    parser.add_argument("--metric", type=Path, metavar="FOLDER", help="publish a metric, such as metrics/pt_tool_acc")
    parser.add_argument("--repo", required=True, metavar="ORG/NAME", help="the repository to push to")
    parser.add_argument("--dry-run", type=Path, metavar="DIR", help="write what would be pushed there, push nothing")
    parser.add_argument("--overwrite", action="store_true", help="replace what --dry-run finds in its folder")
    parser.add_argument("--private", action="store_true", help="a new repository is private")
    parser.add_argument("--quiet", action="store_true", help="no notes")
    _add_model_arguments(parser.add_argument_group("a run folder"))
    metric = parser.add_argument_group("a metric")
    metric.add_argument(
        "--package", default=PACKAGE_NAME, metavar="SPEC", help="what the Space installs petoolbench from"
    )
    return parser


def _add_model_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--report", action="append", default=[], type=Path, metavar="JSON", help="report.json or scores-strict.json"
    )
    group.add_argument("--run", action="append", default=[], metavar="NAME", help="a report's run of this adapter")
    group.add_argument("--data", action="append", default=[], metavar="DATA", help="further data that reports are of")
    group.add_argument("--base", metavar="ORG/NAME", help="the base model on the Hub, if trained from local files")
    group.add_argument("--trained-on", metavar="ORG/NAME", help="the training data's name on the Hub")
    group.add_argument("--license", metavar="ID", help="the adapter's licence, as the Hub calls it")
    group.add_argument("--merged", action="store_true", help="also push the weights with the adapter merged in")


if __name__ == "__main__":
    sys.exit(main())
