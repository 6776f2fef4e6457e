"""Prompts in JSON and Parquet, and files that are not what their names say."""

import json
import time
import tracemalloc
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import PromptError
from pipeline.prompts.prompt_sets import read_prompts


@pytest.mark.parametrize(
    "content",
    [
        ["a horse", {"Prompt": "a bowl", "Category": "things"}],
        {"n": 1, "prompts": [{"text": "a horse"}, {"caption": "a bowl", "category": "things"}]},
    ],
)
def test_json_is_a_list_of_texts_or_objects(tmp_path: Path, content: object) -> None:
    (tmp_path / "p.json").write_text(json.dumps(content))
    found = read_prompts(tmp_path / "p.json").prompts
    assert [(p.text, p.category) for p in found] == [("a horse", None), ("a bowl", "things")]


def test_a_dataset_in_parquet(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    for part, texts in enumerate([["a horse", None], ["a bowl"]]):
        blobs = pa.array([{"bytes": b"x", "path": None}] * len(texts))
        things = ["things"] * len(texts)
        table = {"Prompt": texts, "Category": things, "image": blobs, "n": things}
        pq.write_table(pa.table(table), folder / f"train-0000{part}-of-00002.parquet")
    found = read_prompts(folder)
    assert [p.text for p in found.prompts] == ["a horse", "a bowl"]
    assert {p.category for p in found.prompts} == {"things"}
    assert (found.report.unused, found.report.n_blank) == (("image", "n"), 1)
    one = read_prompts(folder / "train-00001-of-00002.parquet")
    assert [p.text for p in one.prompts] == ["a bowl"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("p.json", b"[1]", "entry 1: found '1'"),
        ("p.json", b"{}", "found no list of prompts"),
        ("p.json", b"[" * 100_000, "malformed JSON"),
        ("p.json", b'[{"n": 1}]', "entry 1: found no field 'text'"),
        ("p.parquet", b"PAR1 but not really", "cannot be read as Parquet"),
        ("p.csv", "prompt\na horse\n".encode("utf-16"), "not UTF-8"),
        ("p.txt", "a horse\n".encode("utf-16-le"), "control character U+0000"),
        ("p.csv", b"name,colour\na,b\n", "write the names of the columns"),
        ("p.csv", b"prompt,category\na horse\n", "found 1 columns; wanted 2"),
        ("p.csv", b"prompt\na\x00b\n", "U+0000"),
        ("p.tsv", b"prompt category\na horse\tx\n", "write the names of the columns"),
        ("p.xlsx", b"PK", "wanted a"),
    ],
)
def test_files_that_cannot_be_used(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(PromptError, match=name) as error:
        read_prompts(tmp_path / name)
    assert message in str(error.value)


def test_columns_without_texts_are_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"prompt": [1, 2]}), tmp_path / "p.parquet")
    with pytest.raises(PromptError, match="wanted one of texts called prompt"):
        read_prompts(tmp_path / "p.parquet")
    (tmp_path / "empty").mkdir()
    with pytest.raises(PromptError, match=r"found no \.parquet file"):
        read_prompts(tmp_path / "empty")


def test_many_lines_take_bounded_time_and_memory(tmp_path: Path) -> None:
    lines = [f"a thing number {number}\tkind {number % 7}" for number in range(30_000)]
    (tmp_path / "p.tsv").write_text("\ufeffprompt\tcategory\n" + "\n".join(lines), encoding="utf-8")
    start = time.process_time()
    assert len(read_prompts(tmp_path / "p.tsv").prompts) == 30_000
    assert time.process_time() - start < 20
    (tmp_path / "few.tsv").write_text("prompt\tcategory\n" + "\n".join(lines[:6000]))
    tracemalloc.start()
    read_prompts(tmp_path / "few.tsv")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6000 * 5000
