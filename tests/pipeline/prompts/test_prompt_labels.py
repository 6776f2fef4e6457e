"""Categories of prompts: read from files in any case, kept by runs, absent from old files."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

import goldenseed
from pipeline.errors import PromptError
from pipeline.prompts.prompt import Prompt
from pipeline.prompts.prompt_sets import read_prompts
from pipeline.runs.run import Run
from tests.in_process import exit_code

RECIPE = """
card: seedling-mini
prompts: {source: own.csv}
seeds: {count: 2}
tile: {seeds: 2, prompts: 2}
batch_size: 2
sampling: {num_inference_steps: 2}
features: [appearance]
metrics: [brightness]
"""


def test_a_label_does_not_change_what_a_prompt_is() -> None:
    plain, labelled = Prompt("a bear"), Prompt("a bear", category="animals", challenge="basic")
    assert (plain.id, plain.group, plain.set) == (labelled.id, labelled.group, labelled.set)
    assert "category" not in plain.to_json()
    assert Prompt.from_json(labelled.to_json()) == labelled


def test_columns_may_have_capitals_and_empty_cells(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("Prompt,Category,CHALLENGE\na bear,animals,\na car,,hard\n")
    found = read_prompts(tmp_path / "p.csv")
    assert [(p.category, p.challenge) for p in found.prompts] == [("animals", None), (None, "hard")]
    assert found.report.unused == ()


def test_two_categories_of_one_prompt_are_refused(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("prompt,category\na bear,animals\na bear,toys\n")
    with pytest.raises(PromptError, match=r"p\.csv:3: found category 'toys', but line 2 has"):
        read_prompts(tmp_path / "p.csv")


def test_a_run_keeps_categories_and_reads_shards_without_them(tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text("prompt,category\na bear,animals\na car,vehicles\n")
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    folder = tmp_path / "run"
    recipe = tmp_path / "recipe.yaml"
    assert exit_code("generate", recipe, "--out", folder, "--executor", "local") == 0
    assert exit_code("verify", folder) == 0
    assert {p.category for p in Run.open(folder).prompts.values()} == {"animals", "vehicles"}
    images = goldenseed.open_run(folder).images.select("text", "category").unique()
    assert set(images.collect().rows()) == {("a bear", "animals"), ("a car", "vehicles")}
    (file,) = folder.glob("images/*/*.parquet")
    table = pq.read_table(file)
    pq.write_table(table.drop_columns(["category", "challenge"]), file)
    images = goldenseed.open_run(folder).images.select("category").collect()
    assert images["category"].null_count() == 4


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "geneval.jsonl",
            '{"tag": "colors", "include": [{"class": "cup"}], "prompt": "a red cup"}\n',
        ),
        ("drawbench.csv", "Prompts,Category\na red cup,colors\n"),
        ("parti.tsv", "Prompt\tCategory\tChallenge\tNote\na red cup\tcolors\t\t\n"),
        ("both.csv", "prompt,tag,category\na red cup,x,colors\n"),
    ],
)
def test_known_lists_are_read_under_their_own_names(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    (prompt,) = read_prompts(tmp_path / name).prompts
    assert (prompt.text, prompt.category) == ("a red cup", "colors")


def test_a_tag_that_is_no_text_is_not_the_category(tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_text('{"prompt": "a cup", "tag": ["a", "b"]}\n')
    found = read_prompts(tmp_path / "p.jsonl")
    assert (found.prompts[0].category, found.report.unused) == (None, ("tag",))
