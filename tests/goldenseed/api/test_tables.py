"""A run as tables of other libraries: SQL, pandas, Embedding Atlas, and HTML in a notebook."""

import html
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest

import goldenseed
from goldenseed.api.run_view import RunView
from pipeline.errors import ConfigError, RunError
from pipeline.runs.run import Run
from pipeline.storage.schema import IMAGE_TYPE


@pytest.fixture
def view(made: Path) -> RunView:
    return goldenseed.open_run(made / "run")


def test_sql_answers_as_polars_does(view: RunView) -> None:
    answer = view.sql(
        "select i.seed, avg(a.brightness) as mean, count(*) as n from images i "
        "join appearance a using (prompt_id, seed) where i.set = 1 group by i.seed order by i.seed"
    )
    cells = view.images.filter(set=1).select("prompt_id", "seed").collect()
    values = view.features("appearance").collect().join(cells, on=["prompt_id", "seed"])
    expected = values.group_by("seed").agg(pl.col("brightness").mean()).sort("seed")
    assert answer["seed"].to_list() == expected["seed"].to_list()
    assert np.allclose(answer["mean"], expected["brightness"])
    assert answer["n"].sum() == cells.height
    assert view.sql("select count(*) n from per_seed").item() == view.per_seed.height


def test_only_committed_shards_are_seen(view: RunView, run_folder: Path) -> None:
    run = Run.open(run_folder)
    receipt = next(run.images.receipts())
    whole = run.images.data_path(receipt)
    shutil.copy(whole, whole.with_name("left-over.parquet"))
    whole.with_name("half.parquet").write_bytes(b"PAR1")
    assert goldenseed.open_run(run_folder).sql("select count(*) n from images").item() == 320
    (run_folder / "features" / "nothing-12345678").mkdir()
    assert goldenseed.open_run(run_folder).to_pandas().shape[0] == 320


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("select x from imags", "tables: images, appearance, perceptual, per_seed"),
        ("selct", "the query failed"),
        ("", "gives no rows"),
    ],
)
def test_a_bad_query_is_refused_in_words(view: RunView, query: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        view.sql(query)


def test_pandas_has_each_image_with_its_numbers(view: RunView) -> None:
    frame = view.to_pandas()
    assert len(frame) == 320
    assert "image" not in frame
    row = frame[(frame.seed == 3) & (frame.text == view.prompts[2].text)].iloc[0]
    pixels = np.asarray(view.image(view.prompts[2].text, 3)) / 255
    luma = (pixels @ [0.299, 0.587, 0.114]).mean()
    assert row["appearance.brightness"] == pytest.approx(luma, abs=0.02)


def test_atlas_file_has_what_embedding_atlas_opens(view: RunView, tmp_path: Path) -> None:
    file = view.to_atlas(tmp_path / "atlas.parquet", seeds=[1, 5])
    table = pq.read_table(file)
    assert table.num_rows == 80
    assert set(table["seed"].to_pylist()) == {1, 5}
    assert table.schema.field("image").type == IMAGE_TYPE
    assert {"x", "y", "text", "vector", "appearance.brightness"} <= set(table.column_names)
    vectors = np.array(table["vector"].to_pylist())
    centred = vectors - vectors.mean(axis=0)
    spread = np.linalg.svd(centred, compute_uv=False)[:2]
    places = np.stack([table["x"].to_numpy(), table["y"].to_numpy()])
    assert np.linalg.norm(places, axis=1) == pytest.approx(spread, rel=1e-4)
    with pytest.raises(ConfigError, match="exists"):
        view.to_atlas(file)
    with pytest.raises(ConfigError, match=r"end the name in \.parquet"):
        view.to_atlas(tmp_path / "atlas.csv")
    with pytest.raises(ConfigError, match="did you mean 'perceptual'"):
        view.to_atlas(tmp_path / "b.parquet", feature="perceptul")
    with pytest.raises(RunError, match="no seed 77"):
        view.to_atlas(tmp_path / "b.parquet", seeds=[77])


def test_a_run_shows_itself_escaped(view: RunView, monkeypatch: pytest.MonkeyPatch) -> None:
    page = view._repr_html_()
    assert "320 of 320 drawn" in page
    assert "appearance, perceptual" in page
    monkeypatch.setattr(RunView, "_verdict", lambda self: "</td><script>alert(1)</script>")
    assert "<script>" not in view._repr_html_()


def test_the_picture_to_zoom_into_is_a_page_of_its_own(view: RunView) -> None:
    bundle = view.zoom(prompts=2, seeds=2)._repr_mimebundle_()
    frame = bundle["text/html"]
    assert isinstance(frame, str)
    assert 'sandbox="allow-scripts"' in frame
    assert "<script>" not in frame
    page = html.unescape(frame)
    assert "data:image/png;base64," in page
    assert "http" not in page
    assert bundle["image/png"] == view.grid(prompts=2, seeds=2)._repr_png_()


def test_lists_name_every_ranked_seed(view: RunView) -> None:
    lists, ranking = view.lists, view.ranking
    assert lists["seed"].to_list() == [row.seed for row in ranking.seeds]
    golden = lists.filter(list="golden")["seed"].to_list()
    assert set(golden) == set(ranking.golden.seeds)
