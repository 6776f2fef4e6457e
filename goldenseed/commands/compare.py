"""`goldenseed compare`, `votes` and `pick`: pages for the eye, and what people say there."""

from pathlib import Path
from typing import Annotated

import typer

from goldenseed.commands.options import AsJson, RunPath
from pipeline.storage.address import local_path

Golden = Annotated[bool, typer.Option("--golden", help="Compare golden seeds.")]
Bad = Annotated[bool, typer.Option("--bad", help="Compare bad seeds.")]
Random = Annotated[bool, typer.Option(
    "--random", help="Compare seeds that the other side does not list.",
)]  # fmt: skip
With = Annotated[Path | None, typer.Option(
    "--with", metavar="RUN", parser=local_path,
    help="Compare another run, cell by cell: an intervention, a checkpoint, other settings.",
)]  # fmt: skip
Pairs = Annotated[int, typer.Option(
    "--pairs", metavar="N", help="Number of pairs of images.",
)]  # fmt: skip
CompareOut = Annotated[Path | None, typer.Option(
    "--out", metavar="FOLDER", parser=local_path,
    show_default="RUN/compare/SIDES", help="New folder to write.",
)]  # fmt: skip
VoteFiles = Annotated[list[Path], typer.Argument(
    metavar="FILES...", parser=local_path, help="What raters saved, one file a rater.",
)]  # fmt: skip
PageFolder = Annotated[Path, typer.Option(
    "--page", metavar="FOLDER", parser=local_path,
    help="The folder that `goldenseed compare` wrote, with its key.",
)]  # fmt: skip
PromptCount = Annotated[int, typer.Option(
    "--prompts", metavar="N", help="Number of prompts, at most.",
)]  # fmt: skip
ImageCount = Annotated[int, typer.Option(
    "--images", metavar="N", help="Number of images of each prompt, at most.",
)]  # fmt: skip
PickOut = Annotated[Path | None, typer.Option(
    "--out", metavar="FOLDER", parser=local_path, show_default="RUN/pick",
    help="Folder to write: new, empty, or that of an earlier pick page.",
)]  # fmt: skip


def compare(
    path: RunPath, *, golden: Golden = False, bad: Bad = False, random: Random = False,
    other: With = None, pairs: Pairs = 100, out: CompareOut = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Write a page on which people compare pairs of images without knowing which is which.

    Give two of --golden, --bad and --random, or another run with --with; two arms of a recipe are
    compared without an option. Send the folder FOLDER/page to raters, and keep FOLDER/key.json.
    """
    from analysis.publish.compare import sides_of_lists, sides_of_runs, write_comparison
    from goldenseed.output.comparisons import print_comparison
    from goldenseed.steps import begin

    lists = {"golden": golden, "bad": bad, "random": random}
    names = [name for name, chosen in lists.items() if chosen]
    runs = begin.open_runs(path) + (begin.open_runs(other) if other else [])
    _refuse_other_count(len(runs), names)
    sides = sides_of_lists(runs[0], names) if names else sides_of_runs(runs[0], runs[1])
    folder = out or runs[0].folder / "compare" / "-".join(names or [sides[1].run.root.name])
    print_comparison(write_comparison(sides, pairs, folder), as_json=as_json)


def _refuse_other_count(runs: int, names: list[str]) -> None:
    """Refuse what is not one run with two lists, or two runs."""
    from pipeline.errors import ConfigError

    if names and runs != 1:
        raise ConfigError(
            f"{runs} runs are given with --{' --'.join(names)}; compare two lists of one run (of "
            f"one arm), or two runs without lists"
        )
    if not names and runs != 2:
        raise ConfigError(
            f"{runs} {'run is' if runs == 1 else 'runs are'} given; choose two of --golden, --bad "
            f"and --random, or give one run and another with --with"
        )


def votes(files: VoteFiles, *, page: PageFolder, as_json: AsJson = False) -> None:
    """Count what raters voted on a page of `goldenseed compare`.

    Gives win rates with intervals over raters and prompts, how far raters agree, and whether they
    agree with the metric that ranked the seeds.
    """
    from analysis.publish.compare import count_votes
    from analysis.publish.compare.key import read_key
    from analysis.publish.compare.votes import read_votes
    from goldenseed.output.comparisons import print_votes

    key = read_key(page)
    print_votes(count_votes(key, read_votes(files, key)), as_json=as_json)


def pick(
    path: RunPath, *, prompts: PromptCount = 12, images: ImageCount = 24, out: PickOut = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Write a page on which you keep the best images of each prompt, and export their seeds."""
    from analysis.publish.pick import write_pick
    from goldenseed.output import tables
    from goldenseed.steps import begin

    runs = begin.open_runs(path)
    folders = [(out / run.root.name if len(runs) > 1 else out) if out else None for run in runs]
    picks = [
        write_pick(run, folder or run.folder / "pick", prompts=prompts, images=images)
        for run, folder in zip(runs, folders, strict=True)
    ]
    if as_json:
        tables.print_json([made.__dict__ for made in picks])
        return
    for made in picks:
        tables.line(
            f"pick: {tables.short_path(made.page)} ({made.prompts} prompts with up to "
            f"{made.seeds} images, {tables.number_of_bytes(made.bytes)})"
        )
