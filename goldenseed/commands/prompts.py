"""`goldenseed prompts`: make prompt files from a data set or from a user's images."""

from pathlib import Path
from typing import Annotated

import typer

from goldenseed.commands.options import AsJson, Executor, WorkerCount
from goldenseed.commands.sections import Group
from pipeline.errors import ConfigError
from pipeline.storage.address import local_path

app = typer.Typer(cls=Group, no_args_is_help=True)

OutFile = Annotated[
    Path,
    typer.Option(
        metavar="FILE",
        parser=local_path,
        help="Prompt file to write, with a name that ends in .jsonl.",
    ),
]


@app.callback()
def _group() -> None:
    """Make a prompt file: COCO captions, descriptions of images, or pairs for inpainting."""


@app.command()
def coco(
    captions: Annotated[
        Path,
        typer.Argument(
            metavar="CAPTIONS", parser=local_path, help="COCO's captions_train2017.json."
        ),
    ],
    images: Annotated[
        Path, typer.Option(metavar="FOLDER", parser=local_path, help="Folder of COCO's images.")
    ],
    count: Annotated[int, typer.Option(min=1, metavar="N", help="Number of prompts.")],
    out: OutFile,
    *,
    as_json: AsJson = False,
) -> None:
    """Sample captions of MS-COCO, one for each image; the image is the prompt's group."""
    from goldenseed.output import tables
    from pipeline.prompts.making.coco import sample_captions
    from pipeline.prompts.making.sample import write_sample

    _check_name(out)
    prompts, report = sample_captions(captions, images, count=count)
    write_sample(out, prompts)
    counts = report.as_dict()
    if as_json:
        tables.print_json({"out": str(out), **counts})
        return
    words = ", ".join(f"{name.replace('_', ' ')} {value:,}" for name, value in counts.items())
    tables.line(f"{out}: {words}")


@app.command()
def dense(
    images: Annotated[
        Path, typer.Argument(metavar="IMAGES", parser=local_path, help="Folder of images.")
    ],
    out: OutFile,
    *,
    count: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", show_default="all", help="Number of images to describe."),
    ] = None,
    card: Annotated[
        str,
        typer.Option(metavar="NAME", help="Card of the describing model, or a .yaml file of one."),
    ] = "llava-1.5-7b",
    executor: Executor = "ray",
    workers: WorkerCount = None,
    as_json: AsJson = False,
) -> None:
    """Describe images in detail with LLaVA 1.5. Repeat the command to continue after a stop."""
    from goldenseed.output import tables
    from goldenseed.steps.describe import describe
    from goldenseed.steps.steps import Workers

    _check_name(out)
    about = describe(images, out, count=count, card=card, workers=Workers(executor, workers))
    if as_json:
        tables.print_json({"out": str(out), **about})
        return
    tables.line(
        f"{out}: {about['prompts']:,} prompts of {about['pictures']:,} images; "
        f"{len(about['skipped']):,} skipped (reasons in {out.with_suffix('.json').name}), "
        f"{about['cut']:,} truncated at the longest length, {about['same_text']:,} with the same "
        f"text as another"
    )


@app.command()
def pairs(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER",
            parser=local_path,
            help="Folder with images/, masks/ and objects.json.",
        ),
    ],
    out: OutFile,
    *,
    size: Annotated[
        int, typer.Option(min=16, metavar="PIXELS", help="Side of the images that the model draws.")
    ] = 512,
    count: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", show_default="all", help="Number of pairs."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make prompts for inpainting, removal and completion from images with masks."""
    from goldenseed.output import tables
    from pipeline.prompts.making.pairs import read_pairs, write_pairs

    _check_name(out)
    image_pairs = read_pairs(folder, size=size, count=count)
    prompts = write_pairs(out, image_pairs)
    if as_json:
        tables.print_json({"out": str(out), "pairs": len(image_pairs), "prompts": prompts})
        return
    tables.line(f"{out}: {prompts:,} prompts of {len(image_pairs):,} pairs; images next to it")


def _check_name(out: Path) -> None:
    if out.suffix != ".jsonl":
        raise ConfigError(f"--out {out}: wanted a name that ends in .jsonl")
