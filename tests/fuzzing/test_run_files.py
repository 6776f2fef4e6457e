"""Files of a run folder that somebody else made: they are read, or refused with our own errors."""

import base64
import json
import shutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.per_seed import measure, read_per_seed
from analysis.ranking.rank import read_saved_ranking
from analysis.studies.results import SUMMARY_FORM, outcomes, read_summary
from goldenseed.steps.status import status_of
from goldenseed.steps.verify.run_folder import RunFolder
from pipeline.drawing.canary import read_canary
from pipeline.runs.drivers import Claims
from pipeline.runs.identity import read_identity
from pipeline.runs.run import Run, read_recipe
from pipeline.storage.manifest import compact
from pipeline.storage.parquet import read_table
from pipeline.storage.sealed import SEAL, seal
from tests.analysis import synthetic
from tests.analysis.publish.released import ranked_run
from tests.fuzzing.mutations import documents_like, files_like, sealed_text_of, text_of
from tests.fuzzing.parsing import EscapedError, parse
from tests.profiles import examples


@cache
def run_folder() -> Path:
    """A run of two shards with a file of each kind. Copy it before you change it."""
    path = Path(mkdtemp(prefix="goldenseed-fuzzing-")) / "run"
    run = synthetic.start(path, seeds=range(2), n_prompts=4, tile=(1, 4), ranking={"metric": "hps"})
    synthetic.draw_all(run)
    synthetic.extract_all(run, "appearance")
    measure(run, ["brightness"])
    compact(run.images)
    pixels = base64.b64encode(
        synthetic.png(synthetic.noisy(run.prompts[next(iter(run.prompts))], 0))
    )
    canary = {"prompt_id": "a", "seed": 0, "pixels": pixels.decode(), "host": "a", "device": "b"}
    run.store.replace("canary.json", seal(canary))
    run.store.replace("ranking.json", (ranked_run().root / "ranking.json").read_bytes())
    run.store.replace("search.json", seal({"grid_hash": run.grid_hash, "seeds": [1]}))
    text = dict.fromkeys(("outcome", "study", "run_id"), "style") | {"grid_hash": run.grid_hash}
    objects: dict[str, Any] = {name: {} for name, kind in SUMMARY_FORM.items() if kind is dict}
    run.store.replace("studies/style/summary.json", seal({**text, **objects}))
    claims = Claims(run.store, "generate", recipe="r", tell=lambda _: None)
    run.store.replace(claims._driver.key, json.dumps(claims._driver.__dict__).encode())
    return path


def _verify(run: Run) -> None:
    """Read what `goldenseed verify` reads, and say what is wrong with it."""
    folder = RunFolder(run.root)
    assert [*folder.check()]
    folder.undrawn(), folder.leftovers()


def _claims(run: Run) -> None:
    claims = Claims(run.store, "generate", recipe="r", tell=lambda _: None)
    run.store.replace(claims._driver.key, b"{}")
    try:
        [str(driver) for driver in claims.others()]
    finally:
        run.store.remove(claims._driver.key)


def _ranking(run: Run) -> None:
    with suppress(ValueError, RecursionError):  # what it says that it raises
        read_saved_ranking(run.store.read("ranking.json"), run_id="")


def _opened(run: Run) -> None:
    """Open the run, and walk through its grid."""
    run = Run.open(run.root)
    run.missing(), run.read_token(), run.grid_hash, run.kept_prompts()


def _shard(kind: str) -> Callable[[Run], object]:
    return lambda run: [read_table(path) for path in run.root.glob(f"{kind}/**/*.parquet")]


READERS: Mapping[str, tuple[Callable[[Run], object], ...]] = {
    "run.json": (lambda run: read_identity(run.root), _opened),
    "recipe.json": (lambda run: read_recipe(run.root),),
    "grid/0000.json": (_opened, status_of),
    "token": (_opened,),
    "canary.json": (lambda run: read_canary(run, (synthetic.SIZE, synthetic.SIZE, 3)),),
    "ranking.json": (_ranking,),
    "drivers/*.json": (_claims,),
    "receipts/images/*/*.json": (lambda run: [*run.images.receipts()], status_of, _opened),
    "receipts/manifests/*.json": (status_of,),
    "receipts/per_seed.parquet.json": (read_per_seed,),
    "studies/*/summary.json": (outcomes, lambda run: read_summary(run, "style")),
    "images/*/*.parquet": (_shard("images"),),
    "features/*/*/*.parquet": (_shard("features"),),
    "manifests/*.parquet": (lambda run: read_table(run.root / "manifests/images.parquet"),),
}
"""File -> its readers. `verify` reads all files, and is slower."""


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The run in which one file after another is changed and put back."""
    return Run.open(shutil.copytree(run_folder(), tmp_path_factory.mktemp("fuzzing") / "run"))


def test_the_sample_is_whole(copied: Run) -> None:
    """The control: the folder has every file, and nothing is wrong with it."""
    assert not [file for file in RunFolder(copied.root).check() if file.problem]
    for pattern, readers in READERS.items():
        assert [*copied.root.glob(pattern)], pattern
        for read in readers:
            read(copied)


def _unfolded(document: dict[str, Any]) -> dict[str, Any]:
    """The document of a grid file with its lines as objects, so that they are changed, too."""
    lists = {name: document[name] for name in ("blocks", "prompts") if "blocks" in document}
    return document | {name: [json.loads(line) for line in lines] for name, lines in lists.items()}


def _folded(document: Any) -> bytes:  # noqa: ANN401
    """Write a sealed document, each object of a list as the line of a grid file."""
    if isinstance(document, dict):
        for value in document.values():
            if isinstance(value, list):
                value[:] = [json.dumps(o) if isinstance(o, dict) else o for o in value]
    return sealed_text_of(document)


def check(
    run: Run, pattern: str, data: st.DataObject, readers: Iterable[Callable[[Run], object]]
) -> None:
    """Change a file of the run, read it, and put it back."""
    path = min(run.root.glob(pattern))
    sample = path.read_bytes()
    if path.suffix == ".json":
        document = _unfolded(json.loads(sample))
        write = _folded if SEAL in document else text_of
        changed = data.draw(documents_like(document, write))
    else:
        changed = data.draw(files_like(sample))
    try:
        path.write_bytes(changed)
        for read in readers:
            parse(lambda read=read: read(run))
    finally:
        path.write_bytes(sample)


@pytest.mark.parametrize("pattern", READERS)
@examples(30)
@given(data=st.data())
def test_a_changed_file_is_read_or_refused(copied: Run, pattern: str, data: st.DataObject) -> None:
    check(copied, pattern, data, READERS[pattern])


@examples(20)
@given(pattern=st.sampled_from([*READERS]), data=st.data())
def test_a_changed_file_is_verified(copied: Run, pattern: str, data: st.DataObject) -> None:
    check(copied, pattern, data, [_verify])


@pytest.mark.parametrize("error", [KeyError("a"), TypeError("b"), RecursionError(), MemoryError()])
def test_an_error_of_another_kind_is_noticed(error: Exception) -> None:
    """The control."""

    def fail() -> None:
        raise error

    with pytest.raises(EscapedError, match=type(error).__name__):
        parse(fail)
