"""A small file does not unfold to a large one, and a key that is given twice is a mistake."""

import re
import time
import tracemalloc
from pathlib import Path

import pytest
import yaml

from pipeline.errors import ConfigError
from pipeline.settings.recipe import load_recipe
from pipeline.storage.yaml_files import read_mapping
from pipeline.storage.yaml_loader import MAX_BYTES, MAX_DEPTH, load_limited

RECIPE = "card: seedling-mini\nprompts: {source: a.txt}\nseeds: {count: 2}\n"


def laughs(levels: int, width: int = 9) -> str:
    """Levels of lists that name the list below `width` times."""
    lines = ["a0: &a0 [lol]"]
    for level in range(1, levels + 1):
        lines.append(f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * width)}]")
    return "\n".join(lines)


def refused(folder: Path, text: str) -> str:
    """The message with which a recipe is refused, in at most 5 s, 100 MB and 2,000 characters."""
    path = folder / "r.yaml"
    path.write_text(text)
    tracemalloc.start()
    start = time.monotonic()
    with pytest.raises(ConfigError) as caught:
        load_recipe(str(path))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert time.monotonic() - start < 20
    assert peak < 100e6
    message = str(caught.value)
    assert len(message) < 2000
    assert str(path) in message
    return message


def test_nine_levels_of_aliases_are_refused_at_once(tmp_path: Path) -> None:
    text = f"{RECIPE}{laughs(9)}\nfeatures: *a9\n"
    assert "unfold to more than 1,000,000 values" in refused(tmp_path, text)


def test_aliases_that_unfold_to_little_are_read() -> None:
    content = load_limited(f"{laughs(3)}\nb: &b {{x: 1}}\nc: {{<<: *b, y: 2}}")
    assert content["c"] == {"x": 1, "y": 2}
    assert content == yaml.safe_load(f"{laughs(3)}\nb: &b {{x: 1}}\nc: {{<<: *b, y: 2}}")


def test_an_alias_inside_what_it_names_is_refused(tmp_path: Path) -> None:
    assert "*a stands inside what it names" in refused(tmp_path, f"{RECIPE}features: &a [*a]\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{RECIPE}order: seeds\ncard: sd2\n", "line 5: .*'card' is given again, after line 1"),
        (RECIPE.replace("count: 2", "count: 2, count: 3"), "line 3: .*'count' is given again"),
    ],
)
def test_a_key_that_is_given_twice_is_refused_with_both_lines(
    text: str, message: str, tmp_path: Path
) -> None:
    words = refused(tmp_path, text)
    assert re.search(message, words)


@pytest.mark.parametrize("text", ["[" * 100_000, "{a: " * 100_000, "- " * 100_000, "? " * 5000])
def test_deep_nesting_is_refused(text: str, tmp_path: Path) -> None:
    assert f"nested deeper than {MAX_DEPTH} levels" in refused(tmp_path, f"features:\n  {text}\n")


def test_a_long_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    assert "at most 4,194,304" in refused(tmp_path, "#" * (MAX_BYTES + 1))


@pytest.mark.parametrize("value", ["9" * 5000, "2024-99-99", "-" + "9" * 4000])
def test_values_out_of_range_are_words(value: str, tmp_path: Path) -> None:
    refused(tmp_path, f"{RECIPE}batch_size: {value}\n")


def test_values_are_cut_in_messages(tmp_path: Path) -> None:
    refused(tmp_path, f"{RECIPE}order: {'x' * 100_000}\n{'y' * 100_000}: 1\n")
    words = refused(tmp_path, RECIPE + "".join(f"unknown{i}: 1\n" for i in range(5000)))
    assert "5,000 problems" in words
    assert "and 4,980 more" in words


@pytest.mark.parametrize("seeds", ["{start: 0, count: 100000000}", "{count: 1048577}"])
def test_more_seeds_than_a_run_holds_are_refused(seeds: str, tmp_path: Path) -> None:
    text = RECIPE.replace("{count: 2}", seeds)
    assert "more than the 1,048,576 that one run may have" in refused(tmp_path, text)


def test_shipped_files_are_read_as_before(root: Path) -> None:
    for path in [*root.glob("pipeline/**/*.yaml"), *root.glob("analysis/**/*.yaml")]:
        assert read_mapping(path, "a file") == yaml.safe_load(path.read_text(encoding="utf-8"))
