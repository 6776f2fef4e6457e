"""A small release with images and odd prompts, written once for the tests that read releases."""

import hashlib
import shutil
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import numpy as np

from analysis.publish import publish
from analysis.publish.base import SUMS, sums_of
from analysis.ranking.rank import rank, save_ranking
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.run import Run
from tests.analysis import synthetic
from tests.analysis.synthetic import COLOUR, COLOUR_KID

ODD_TEXTS = (
    "</script><script>alert(1)</script>",
    '=HYPERLINK("http://x")',
    "@SUM(A1:A9)",
    "a \u202ecat\u202c of \u2066dogs\u2069",
    "x" * 10_000,
    "山の上の赤い猫",
    "👩‍🚀 on the moon 🚀",
    "قطة حمراء على كرسي",
    "[link](javascript:alert(1)) **bold** | `code`",
)
"""Prompts of other people, which must stay text."""


def picture(prompt: Prompt, seed: int) -> synthetic.Pixels:
    return (synthetic.noisy(prompt, seed) // 8 + seed * 7).astype(np.uint8)


def make_run(path: Path, *, tile: tuple[int, int] = (4, 8), order: str = "seeds") -> Run:
    """Draw 16 seeds and 29 prompts, 9 of them odd."""
    run = synthetic.start(
        path, seeds=range(16), n_prompts=20, tile=tile, order=order, ranking={"metric": COLOUR_KID}
    )
    run.grow(range(16), [Prompt(text, object=text[:40]) for text in ODD_TEXTS])
    synthetic.draw_all(run, picture)
    synthetic.extract_all(run, COLOUR)
    return run


@cache
def ranked_run() -> Run:
    """The run, with its ranking saved. No test changes it."""
    run = make_run(Path(mkdtemp(prefix="goldenseed-release-")) / "run")
    save_ranking(run, rank(run))
    return run


@cache
def release() -> Path:
    """The release, with images. Copy it before you change it."""
    run = ranked_run()
    return publish(run, rank(run), name="odd", folder=run.root.parent / "out", images=True)


def copied(target: Path) -> Path:
    """Copy the release into an empty folder."""
    shutil.copytree(release(), target / "r")
    return target / "r"


def seal(folder: Path) -> None:
    """Write SHA256SUMS anew, as somebody would who changes a release and hides it."""
    names = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    del names[SUMS]
    hashes = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in names.items()}
    (folder / SUMS).write_bytes(sums_of(hashes))
