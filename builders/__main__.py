"""``python -m builders``: build a data set from a catalogue of tools."""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from pathlib import Path

from petoolbench.console import Console
from petoolbench.errors import OutputError, PEToolBenchError
from petoolbench.files import content_hash, file_hash, new_folder, write_text
from petoolbench.folders import CARD, PACKAGE_FOLDER, PACKAGE_NAME, DatasetFolder, open_dataset

from .catalogue.own import read_own_catalogue
from .catalogue.reading import FOLDER as CATALOGUE_FOLDER
from .config import BuildConfig, read_config
from .embedding import CachedEmbedder, MiniLM
from .export import export
from .offline import OfflineModel
from .pipeline import STAGES, Build

DEFAULT_CONFIG = Path(__file__).parent / "configs" / "petoolbench.yaml"
_STATE = "build.txt"


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; 0 when all went well, 2 on anything the user can mend."""
    parser = argparse.ArgumentParser(prog="python -m builders", description="Build a data set from a tool catalogue.")
    parser.add_argument("--config", type=Path, default=DEFAULT_CONFIG, help="the build's YAML file")
    parser.add_argument("--out", type=Path, help="the dataset folder to make (default: in place of the shipped data)")
    parser.add_argument("--work", type=Path, help="the folder of the stage files (default: builds/<name>)")
    parser.add_argument("--stage", choices=STAGES, help="stop after this stage")
    parser.add_argument("--fresh", action="store_true", help="forget stage files of an earlier run")
    parser.add_argument("--quiet", action="store_true", help="no notes, no progress")
    options = parser.parse_args(arguments)
    console = Console(quiet=options.quiet)
    started = time.monotonic()
    try:
        config = read_config(options.config)
        work = options.work or Path("builds") / config.name
        build = open_build(config, work, console, fresh=options.fresh)
        data = run(build, options.out, options.stage)
    except PEToolBenchError as error:
        console.error(str(error))
        return 2
    _tell(console, build, data, work, time.monotonic() - started)
    return 0


def open_build(config: BuildConfig, work: Path, console: Console, *, fresh: bool = False) -> Build:
    """Prepare a build whose stage files lie in ``work``; files of an earlier run of the same build are taken up.

    Raises:
        InputError: The catalogue is damaged.
        OutputError: ``work`` holds the stages of another build and ``fresh`` is not set.
    """
    folder = Path(config.catalogue.folder) if config.catalogue.folder else CATALOGUE_FOLDER
    catalogue = read_own_catalogue(folder, config.catalogue.categories)
    mark = content_hash([config.model_dump(mode="json"), *map(file_hash, sorted(folder.glob("*.yaml"))), *_code()])
    state = work / _STATE
    if fresh:
        shutil.rmtree(work, ignore_errors=True)
    if state.exists() and state.read_text(encoding="utf-8").strip() != mark:
        raise OutputError(f"{work}: holds the stages of another configuration, catalogue or version; pass --fresh")
    if not state.exists() and work.is_dir() and any(work.iterdir()):
        raise OutputError(f"{work}: is not empty and holds no build; choose another folder for --work")
    write_text(state, mark + "\n")
    model = OfflineModel(catalogue, config.seed, config.again_share)
    return Build(config, catalogue, model, CachedEmbedder(MiniLM(), work / "vectors"), work, console)


def _code() -> list[str]:
    """Return hashes of the builders' own code, so that stages of an older version are not taken up."""
    return [file_hash(path) for path in sorted(Path(__file__).parent.rglob("*.py"))]


def run(build: Build, out: Path | None, stage: str | None = None) -> DatasetFolder | None:
    """Run a build to the end, or to a stage; return the dataset folder where one was made.

    Raises:
        OutputError: The folder is filled already or cannot be written.
        InputError: A stage file is damaged.
    """
    if stage is not None:
        build.run_to(stage)
        return None
    if out is not None:
        with new_folder(out) as folder:
            export(build, folder)
        return open_dataset(str(out))
    with new_folder(build.work / "dataset", overwrite=True) as folder:
        export(build, folder)
    _replace_shipped(build.work / "dataset")
    return open_dataset(PACKAGE_NAME)


def _replace_shipped(built: Path) -> None:
    """Put a built data set in place of the shipped one; the package never lacks its data."""
    for name in ("data", "figures"):
        with new_folder(PACKAGE_FOLDER / name, overwrite=True) as work:
            shutil.copytree(built / name, work, dirs_exist_ok=True)
    for name in (CARD, "build_report.json"):
        write_text(PACKAGE_FOLDER / name, (built / name).read_text(encoding="utf-8"))


def _tell(console: Console, build: Build, data: DatasetFolder | None, work: Path, seconds: float) -> None:
    for stage, counts in build.funnel.stages.items():
        reasons = "".join(f", {reason}: {count}" for reason, count in counts.dropped.items())
        console.note(f"{stage}: {counts.entered} in, {counts.left} out{reasons}")
    if data is None:
        console.note(f"stage files: {work}")
        return
    quality = build.grouping_quality
    console.note(f"grouping: purity {quality.purity:.3f}, completeness {quality.completeness:.3f}")
    for config in data.files:
        counts_of = ", ".join(f"{split} {data.count(config, split)}" for split in data.splits(config))
        console.note(f"{config}: {counts_of}")
    console.note(f"{data.path}: built in {seconds:.0f} s; stage files: {work}")


if __name__ == "__main__":
    sys.exit(main())
