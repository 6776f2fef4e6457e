"""A plain value of YAML means what it seems to mean, or is refused."""

from pathlib import Path

import pytest
import yaml

from pipeline.cards.card import CARDS_FILE
from pipeline.errors import ConfigError
from pipeline.settings.recipe import load_recipe, recipe_files
from pipeline.storage.plain_yaml import load_plain
from pipeline.storage.yaml_files import read_mapping


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        ("00123", "write 123, or '00123'"),
        ("00469", "write 469"),
        ("00007", "write 7"),
        ("-017", "write -17"),
        ("1_000", "write 1000"),
        ("0x10", "a decimal number"),
        ("0o17", "a decimal number"),
        ("0b11", "a decimal number"),
        ("1:30", "base 60; write a decimal number"),
        ("on", "write true or false"),
        ("Off", "write true or false"),
        ("no", "write true or false"),
    ],
)
def test_refused_with_its_line(tmp_path: Path, value: str, hint: str) -> None:
    for text in (f"a: 1\nb: {value}\n", f"a: 1\nb: {{c: [2, {value}]}}\n"):
        (tmp_path / "r.yaml").write_text(text)
        with pytest.raises(ConfigError, match=f"r.yaml, line 2: {value} .*{hint}"):
            read_mapping(tmp_path / "r.yaml", "a recipe")
    assert load_plain(f"'{value}'") == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("123", 123),
        ("-7", -7),
        ("0", 0),
        ("0.5", 0.5),
        ("1.5e-3", 0.0015),
        ("1e3", 1000.0),
        ("1e-5", 1e-5),
        (".inf", float("inf")),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("2026-11-30", "2026-11-30"),
        ("y", "y"),
        ("0123456789012345", "0123456789012345"),  # prompts' ids
        ("12345678901234e5", "12345678901234e5"),
        ("0b10101010101010", "0b10101010101010"),
    ],
)
def test_read(text: str, value: object) -> None:
    assert load_plain(text) == value
    assert type(load_plain(text)) is type(value)


@pytest.mark.parametrize("path", [*recipe_files().values(), CARDS_FILE], ids=lambda p: p.stem)
def test_shipped_files_read_as_before(path: Path) -> None:
    text = path.read_text()
    assert load_plain(text) == yaml.safe_load(text)


def test_merged_mappings() -> None:
    assert load_plain("a: &a {b: 1}\nc: {<<: *a, d: 2}")["c"] == {"b": 1, "d": 2}


def test_seeds_with_zeros_in_front(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(
        "card: seedling-mini\nprompts: {source: brightness}\nseeds: {chosen: [00123, 00469]}\n"
    )
    with pytest.raises(ConfigError, match="line 3: 00123 starts with a zero"):
        load_recipe(str(tmp_path / "r.yaml"))
