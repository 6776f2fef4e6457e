"""Check what each published artifact promises. The registry finds a new one by itself."""

import io
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from analysis.publish import PUBLISH, Artifact
from analysis.ranking.rank import rank
from analysis.ranking.result import Ranking
from pipeline.errors import RunError
from pipeline.registry import load
from pipeline.runs.run import Run
from tests.analysis import synthetic
from tests.analysis.synthetic import COLOUR, COLOUR_KID


def picture(prompt: synthetic.Prompt, seed: int) -> synthetic.Pixels:
    return (synthetic.noisy(prompt, seed) // 8 + seed * 7).astype(np.uint8)


def make_run(path: Path, **shape: object) -> Run:
    fields = {"seeds": range(16), "n_prompts": 20, "ranking": {"metric": COLOUR_KID}}
    run = synthetic.start(path, **fields, **shape)
    synthetic.draw_all(run, picture)
    synthetic.extract_all(run, COLOUR)
    return run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return make_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def ranking(run: Run) -> Ranking:
    return rank(run)


@pytest.fixture(params=PUBLISH)
def artifact(request: pytest.FixtureRequest) -> Artifact:
    artifact: Artifact = load(PUBLISH, request.param, "published artifact", base=Artifact)()
    return artifact


def test_the_same_table_gives_the_same_bytes(
    artifact: Artifact, run: Run, ranking: Ranking, tmp_path: Path
) -> None:
    first = artifact.files(run, ranking)
    assert first, f"{type(artifact).__name__}.files returns no file"
    again = artifact.files(run, Ranking.from_json(ranking.to_json()))
    assert again == first, "the same ranking, read from its file, gives other bytes"
    other = make_run(tmp_path, tile=(16, 5), order="prompts")
    assert artifact.files(other, rank(other)) == first, (
        "the same cells in another folder, cut into other tiles, give other bytes: write neither "
        "a path nor a clock nor the order of rows"
    )


def test_another_ranking_gives_other_bytes(artifact: Artifact, run: Run, ranking: Ranking) -> None:
    """The negative control of the test above."""
    turned = json.loads(ranking.to_json())
    turned["seeds"] = turned["seeds"][::-1]
    for row in turned["seeds"]:
        row["rank_set1"] = len(turned["seeds"]) + 1 - row["rank_set1"]
    turned["mean_set2"] += 1
    other = Ranking.from_json(json.dumps(turned).encode())
    message = f"{type(artifact).__name__} does not depend on the ranking"
    assert artifact.files(run, other) != artifact.files(run, ranking), message


def test_files_are_plain_names_without_a_clock(
    artifact: Artifact, run: Run, ranking: Ranking
) -> None:
    for name, content in artifact.files(run, ranking).items():
        assert Path(name).name == name, f"{name} must be a plain file name"
        assert isinstance(content, bytes), f"the content of {name} must be bytes"
        assert str(run.root).encode() not in content, f"{name} holds the path of the run"


def test_numbers_trace_to_run_grid_metric_and_n(
    artifact: Artifact, run: Run, ranking: Ranking
) -> None:
    origin = {
        "run id": run.run_id,
        "grid hash": run.grid_hash,
        "metric identity": ranking.metric_id,
    }
    for name, content in artifact.files(run, ranking).items():
        if name.endswith(".png"):
            continue
        text = _text(content)
        if len(text.splitlines()) > 1:  # an empty list has a head and no row
            lacking = [what for what, value in origin.items() if value not in text]
            assert not lacking, f"{name} does not state the {', '.join(lacking)}"
        if name.endswith(".csv"):
            assert ",n," in text.splitlines()[0], f"{name} has no column n"


def _text(content: bytes) -> str:
    """The text of a file, or the footer and the rows of a Parquet table."""
    if not content.startswith(b"PAR1"):
        return content.decode()
    table = pq.read_table(io.BytesIO(content))
    return f"{table.schema.metadata}\n{table.to_pylist()}"


def test_a_ranking_of_another_grid_is_refused(
    artifact: Artifact, ranking: Ranking, tmp_path: Path
) -> None:
    with pytest.raises(RunError, match="rank it first"):
        artifact.files(synthetic.start(tmp_path, n_prompts=3), ranking)
