"""Each number of the README and of the findings follows from a table; a wrong one is noticed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from docs.tools.printed_numbers import __main__ as command
from docs.tools.printed_numbers import binding, source
from docs.tools.printed_numbers.binding import Entry, read_bindings
from docs.tools.printed_numbers.check import check, corrected
from docs.tools.printed_numbers.expression import evaluate
from docs.tools.printed_numbers.page import Page, Printed
from tests.docs.reading import DOCS, ROOT

WITHOUT_TABLE = {
    "docs/benchmarks.md": 57,
}
"""How many measured numbers of a page have no table. They may become fewer, never more."""


@pytest.fixture(scope="module")
def bindings() -> dict[Path, list[Entry]]:
    return read_bindings()


def test_each_page_of_results_is_bound(bindings: dict[Path, list[Entry]]) -> None:
    pages = {ROOT / "README.md", *(DOCS / "findings").glob("*.md")}
    assert pages <= set(bindings)


@pytest.mark.parametrize("page", sorted(read_bindings()), ids=str)
def test_each_number_follows_from_its_table(page: Path, bindings: dict[Path, list[Entry]]) -> None:
    result = check(Page(page), bindings[page], page.relative_to(ROOT).as_posix())
    assert result.faults == [], "run python -m docs.tools.printed_numbers"


def test_numbers_without_a_table_are_counted(bindings: dict[Path, list[Entry]]) -> None:
    found = {
        page.relative_to(ROOT).as_posix(): check(Page(page), entries, page.name).counts["unsourced"]
        for page, entries in bindings.items()
    }
    assert {page: count for page, count in found.items() if count} == WITHOUT_TABLE


@pytest.mark.parametrize("name", ["README.md", "docs/findings/README.md"])
def test_each_changed_digit_is_noticed(name: str, bindings: dict[Path, list[Entry]]) -> None:
    """Numbers from all over the page are printed with another last digit, one after the other."""
    text = (ROOT / name).read_text(encoding="utf-8")
    page = Page(ROOT / name, text)
    for number in page.numbers[:: max(1, len(page.numbers) // 10)]:
        digit = text[number.end - 1]
        wrong = text[: number.end - 1] + str((int(digit) + 1) % 10) + text[number.end :]
        faults = check(Page(ROOT / name, wrong), bindings[ROOT / name], name).faults
        assert faults, f"{name}:{page.line(number.start)}: {number.text} may be anything"


def entry(text: str, *values: str, **more: str) -> Entry:
    tables = {"runs": [{"run": "a", "share": 0.123, "share_low": 0.1, "share_high": 0.2}]}
    return Entry(text, list(values), tables.__getitem__, **more)  # type: ignore[arg-type]


def page_of(text: str) -> Page:
    return Page(Path("page.md"), text)


def test_a_number_without_an_entry_has_no_source() -> None:
    result = check(page_of("In 12.3 % of 40 images."), [entry("#% of", "1")], "page.md")
    assert "page.md:1: 40: no source" in result.faults


def test_a_wrong_number_is_named_with_the_right_one_and_can_be_written() -> None:
    page = page_of("The share is\n12.4 % [10.0, 20.0].")
    entries = [entry("share is # % [#, #]", "percent(estimate(runs[0], 'share'))")]
    result = check(page, entries, "page.md")
    assert result.faults == ["page.md:2: printed 12.4, computed 12.3"]
    assert corrected(page, result) == "The share is\n12.3 % [10.0, 20.0]."


def test_a_fragment_that_left_the_page_is_named() -> None:
    [fault] = check(page_of("Nothing."), [entry("share is #", "1")], "page.md").faults
    assert "not on the page" in fault


def test_stated_digits_are_covered_and_counted_by_kind() -> None:
    page = page_of("With 40 objects in 24 minutes")
    entries = [
        entry("40 objects", stated="a setting"),
        entry("24 minutes", unsourced="noted by hand"),
    ]
    assert check(page, entries, "page.md").counts == {"stated": 1, "unsourced": 1}
    rest = [entries[0], entry("", unsourced="noted by hand")]
    assert check(page, rest, "page.md").counts == {"stated": 1, "unsourced": 1}


@pytest.mark.parametrize(
    ("printed", "value", "agrees"),
    [
        ("0.12", 0.1249, True),
        ("0.12", 0.1251, False),
        ("1,024", 1024.4, True),
        ("-0.05", 0.05, False),
        ("−0.05", -0.051, True),
        ("+0.004", 0.0041, True),
        ("2e-7", 2.4e-7, True),
        ("2e-7", 2.6e-7, False),
        ("Five", 5, True),
        ("five", 4, False),
    ],
)
def test_a_number_is_compared_at_its_own_digits(
    printed: str,
    value: float,
    agrees: bool,  # noqa: FBT001
) -> None:
    assert Printed(0, len(printed), printed).agrees(value) == agrees
    rewritten = Printed(0, len(printed), printed).rewritten(value)
    assert Printed(0, len(rewritten), rewritten).agrees(value)
    assert (rewritten.lower() == printed.lower()) == agrees


def test_digits_of_names_dates_links_and_code_are_no_numbers() -> None:
    text = "`seedling-2`, R2, 2026-11-28 [it](a-1.md) <!-- 7 -->\n```python\nx = 5\n```\n12 of 3"
    assert [number.text for number in page_of(text).numbers] == ["12", "3"]


def test_rows_below_a_limit_are_counted_without_missing_values() -> None:
    table = [{"p": 0.04}, {"p": 0.05}, {"p": None}]
    assert evaluate("count(below(table, 'p', 0.05))", {"table": table}.__getitem__) == 1


@pytest.mark.parametrize("text", ["open('x')", "runs.__class__", "runs[0].width", "[1][2]", "1 +"])
def test_an_expression_reads_tables_and_nothing_else(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        evaluate(text, {"runs": [{"share": 1}]}.__getitem__)


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with one page, its table and its entries, in place of this repository."""
    findings = tmp_path / "docs" / "findings"
    (findings / "numbers").mkdir(parents=True)
    (findings / "shares.json").write_text('{"seed": 0.162, "runs": [1, 2]}')
    (tmp_path / "README.md").write_text("The seed's share is 16.1 % of 2 runs in 5 min.\n")
    (findings / "numbers" / "everywhere.yaml").write_text("entries: []\n")
    (findings / "numbers" / "front.yaml").write_text(
        "document: README.md\n"
        "sources: {shares: shares.json}\n"
        "entries:\n"
        '  - {text: "share is # % of # runs", values: [percent(shares.seed), count(shares.runs)]}\n'
        "  - unsourced: noted by hand\n"
    )
    for module, name in ((binding, "ROOT"), (source, "ROOT"), (command, "ROOT")):
        monkeypatch.setattr(module, name, tmp_path)
    monkeypatch.setattr(source, "FINDINGS", findings)
    monkeypatch.setattr(binding, "BINDINGS", findings / "numbers")
    source.load.cache_clear()
    yield tmp_path
    source.load.cache_clear()


def test_the_command_names_wrong_numbers_and_writes_the_right_ones(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main([]) == 1
    assert "README.md:1: printed 16.1, computed 16.2" in capsys.readouterr().out
    assert command.main(["--write"]) == 0
    assert "README.md: 1 without a table: noted by hand\n" in capsys.readouterr().out
    assert command.main([]) == 0
    said = "3 numbers: 2 computed from tables, 0 settings and numbers of others, 1 without a table"
    assert said in capsys.readouterr().out
    assert (tree / "README.md").read_text() == "The seed's share is 16.2 % of 2 runs in 5 min.\n"


def test_an_entry_with_an_unknown_key_or_table_is_named(tree: Path) -> None:
    file = tree / "docs" / "findings" / "numbers" / "front.yaml"
    text = file.read_text()
    file.write_text(text.replace("shares.json", "lost.json"))
    [fault, *_] = check(Page(tree / "README.md"), read_bindings()[tree / "README.md"], "p").faults
    assert "no table lost.json" in fault
    file.write_text(text.replace("unsourced", "sauce"))
    with pytest.raises(ValueError, match=r"unknown keys \['sauce'\]"):
        read_bindings()
