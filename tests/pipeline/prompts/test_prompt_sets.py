"""Files of prompts come back as they were; a bad one says which line and why."""

import json
from pathlib import Path

import polars
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import PromptError, StoreError
from pipeline.prompts.foreign_syntax import foreign_syntax
from pipeline.prompts.prompt_sets import Prompt, read_prompts, write_prompts_jsonl
from tests.pipeline.prompt_texts import texts

ROOT = Path(__file__).parents[3]
PARTI = sorted(ROOT.parent.glob("*/data/PartiPrompts.tsv"))
SHA = "ab" * 32


def write(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@given(st.lists(texts.filter(lambda text: len(text) < 50), min_size=1, max_size=8))
def test_files_give_the_prompts_back(
    tmp_path_factory: pytest.TempPathFactory, given_texts: list[str]
) -> None:
    prompts = {prompt.id: prompt for prompt in map(Prompt, given_texts)}
    path = tmp_path_factory.mktemp("prompts") / "prompts.jsonl"
    write_prompts_jsonl(path, prompts.values())
    found = read_prompts(path)
    assert found.prompts == tuple(prompts.values())
    assert found.report.n_read == found.report.n_kept == len(prompts)
    assert found.report.n_stripped == 0


def test_the_written_file_only_grows(tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    one, two, three = map(Prompt, ["one", "two", "three"])
    assert write_prompts_jsonl(path, [two]) == (two,)
    before = path.read_bytes()
    assert write_prompts_jsonl(path, [one, two, three]) == (two, one, three)
    assert path.read_bytes().startswith(before)
    assert [entry.name for entry in tmp_path.iterdir()] == ["prompts.jsonl"]


def test_a_prompt_is_not_labelled_anew_when_a_file_grows(tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    write_prompts_jsonl(path, [Prompt("a horse", object="horse")])
    before = path.read_bytes()
    with pytest.raises(PromptError, match=r"'a horse'.*found object 'mare', but the file has it"):
        write_prompts_jsonl(path, [Prompt("a horse", object="mare")])
    assert path.read_bytes() == before


def test_an_unwritable_folder_is_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be written"):
        write_prompts_jsonl(tmp_path / "none" / "prompts.jsonl", [Prompt("a")])


def test_jsonl_takes_all_fields_and_skips_blank_lines(tmp_path: Path) -> None:
    lines = [
        "\ufeff" + json.dumps({"prompt": " a red horse", "object": "horse", "modifier": "red"}),
        "",
        json.dumps({"text": "a horse", "object": "horse", "modifier": "", "mask": SHA}),
        json.dumps({"text": "x", "group": "photo 7", "modifier": None}),
    ]
    found = read_prompts(write(tmp_path, "p.jsonl", "\r\n".join(lines) + "\r\n\r\n"))
    horse, plain, grouped = found.prompts
    assert (horse.text, horse.object, horse.modifier, horse.group) == (
        "a red horse",
        "horse",
        "red",
        "horse",
    )
    assert (plain.modifier, plain.mask) == ("", SHA)
    assert (grouped.group, grouped.modifier) == ("photo 7", None)
    assert found.report.n_stripped == 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": "a"', "malformed JSON"),
        ("[" * 100_000, "malformed JSON"),
        ('{"text": ' + "1" * 5000 + "}", "malformed JSON"),
        ('["a"]', "no JSON object"),
        ('"a"', "no JSON object"),
        ("{}", "no field 'text'"),
        ('{"text": null}', "no field 'text'"),
        ('{"text": 3}', "found 3 as text; wanted str"),
        ('{"texd": "a", "objekt": "b"}', "no field 'text'.*did you mean 'text'"),
        ('{"text": "a", "text": "b"}', "field 'text' twice"),
        ('{"text": "a", "prompt": "b"}', "field 'prompt' twice"),
        ('{"text": "a", "object": ""}', "empty object"),
        ('{"text": "a", "object": {"b": 1}}', "as object; wanted str"),
        ('{"text": "a", "set": true}', "found True as set; wanted int"),
        ('{"text": "a", "set": 7}', "found set 7, but the text gives"),
        ('{"text": "a", "id": "0000000000000000"}', "found id '0000000000000000', but"),
        ('{"text": "a", "image": "a.png"}', "wanted the sha256"),
        ('{"text": " "}', "empty prompt"),
        ('{"text": "a\\u0000"}', r"U\+0000"),
        ('{"text": "\\ud800"}', r"U\+D800"),
    ],
)
def test_a_bad_json_line_is_named_by_its_number(tmp_path: Path, line: str, message: str) -> None:
    path = write(tmp_path, "p.jsonl", f'{{"text": "good"}}\n\n{line}\n')
    with pytest.raises(PromptError, match=rf"p\.jsonl:3: .*{message}"):
        read_prompts(path)


HEADER = "Prompt\tCategory\tChallenge\tNote\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "p.tsv:1: the first line is '', and none of its columns is called prompt"),
        ("a red horse\tb\n", "p.tsv:1: the first line is 'a red horse"),
        (HEADER, "found no prompt"),
        (HEADER + "a\t\t\t\nb\t\t\n", "p.tsv:3: found 3 columns; wanted 4"),
        (HEADER + "\tArts\t\t\n", "p.tsv:2: found an empty prompt"),
        ("prompt\ttext\na\tb\n", "p.tsv:2: found the field 'text' twice"),
    ],
)
def test_a_bad_tsv_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(PromptError, match=message):
        read_prompts(write(tmp_path, "p.tsv", text))


def test_quotes_in_a_tsv_are_characters(tmp_path: Path) -> None:
    text = HEADER + '"HELLO" on a wall\tArts\t\t\n5" of "snow\tArts\t\t\n'
    found = read_prompts(write(tmp_path, "p.tsv", text))
    assert [prompt.text for prompt in found.prompts] == ['"HELLO" on a wall', '5" of "snow']


@pytest.mark.skipif(not PARTI, reason="needs PartiPrompts.tsv in a data folder beside this one")
def test_partiprompts_as_it_really_is() -> None:
    found = read_prompts(PARTI[0])
    assert found.report.n_read == found.report.n_kept == len(found.prompts) == 1632
    assert found.report.n_stripped == 10
    assert all(prompt.text == prompt.text.strip() for prompt in found.prompts)
    assert sum('"' in prompt.text for prompt in found.prompts) == 22
    assert found.prompts[0].text == "bond"
    assert found.report.unused == ("Note",)
    columns = [line.split("\t")[1:3] for line in PARTI[0].read_text().splitlines()[1:]]
    assert [[prompt.category, prompt.challenge] for prompt in found.prompts] == columns
    assert not [prompt.text for prompt in found.prompts if foreign_syntax(prompt.text)]


def test_text_files_hold_one_prompt_a_line(tmp_path: Path) -> None:
    found = read_prompts(write(tmp_path, "p.TXT", "a horse\r\n  a bowl \nline\u2028sep\n\n"))
    assert [prompt.text for prompt in found.prompts] == ["a horse", "a bowl", "line\u2028sep"]
    found = read_prompts(write(tmp_path, "p.txt", "a\n\nb\n\n"))
    assert [(prompt.text, found.lines[prompt.id]) for prompt in found.prompts] == [
        ("a", 1),
        ("b", 3),
    ]
    assert found.report.summary().endswith("; 1 blank line skipped")


CSV = [
    ("prompt,source\r\na horse,web\r\n", ("source",)),
    ("Source;Prompt\nweb;a horse\n", ("Source",)),
    ('n,caption\n1,"a horse"\n', ("n",)),
    ("\ufeffTEXT\na horse\n\n", ()),
]


@pytest.mark.parametrize(("text", "unused"), CSV)
def test_a_csv_is_read_by_its_header(tmp_path: Path, text: str, unused: tuple[str]) -> None:
    found = read_prompts(write(tmp_path, "p.csv", text))
    assert [prompt.text for prompt in found.prompts] == ["a horse"]
    assert found.report.unused == unused
    assert all(name in found.report.summary() for name in unused)


def test_a_csv_equals_what_another_reader_reads(tmp_path: Path) -> None:
    rows = {
        "prompt": ['a "red", big horse', "two\nlines", "a bowl"],
        "object": ["horse", "", "bowl"],
        "id": ["1", "2", "3"],
        "set": ["train", "test", "1"],
    }
    polars.DataFrame(rows).write_csv(tmp_path / "p.csv")
    found = read_prompts(tmp_path / "p.csv")
    assert [prompt.text for prompt in found.prompts] == rows["prompt"]
    assert [prompt.object for prompt in found.prompts] == ["horse", None, "bowl"]
    assert found.report.unused == ("id", "set")
    assert list(found.lines.values()) == [2, 3, 5]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a horse\na bowl\n", "p.csv:1: the first line is 'a horse', and none of its columns"),
        ("prompt,n\na,1\nb\n", "p.csv:3: found 1 columns; wanted 2"),
        ('prompt\n"a" b\n', "p.csv:2: malformed table"),
        ('prompt\na\n"b\n', "p.csv:3: malformed table"),
    ],
)
def test_a_bad_csv_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(PromptError, match=message):
        read_prompts(write(tmp_path, "p.csv", text))


def test_a_tsv_may_have_a_header_of_ones_own(tmp_path: Path) -> None:
    found = read_prompts(write(tmp_path, "p.tsv", "n\tprompt\tobject\n1\ta horse\thorse\n"))
    assert (found.prompts[0].text, found.prompts[0].object) == ("a horse", "horse")
    assert "not used: n" in found.report.summary()


def test_further_json_fields_are_said_and_not_lost(tmp_path: Path) -> None:
    line = {"caption": "a horse", "objekt": "horse", "id": 7, "url": "x", "set": "train"}
    path = write(tmp_path, "p.jsonl", json.dumps(line))
    found = read_prompts(path)
    assert found.prompts == (Prompt("a horse"),)
    assert found.report.unused == ("objekt", "id", "url", "set")
    assert "not used: objekt (did you mean 'object'?), id, url, set" in found.report.summary()
    with pytest.raises(PromptError, match="fields that would be lost: objekt"):
        write_prompts_jsonl(path, [Prompt("b")])
    with pytest.raises(PromptError, match="unknown field 'objekt': did you mean 'object'"):
        Prompt.from_json(json.dumps({"text": "a", "objekt": "horse"}))


def test_what_is_not_utf8_is_named_by_line_and_byte(tmp_path: Path) -> None:
    path = write(tmp_path, "p.txt", "horse\ncaf\u00e9".encode("latin-1"))
    with pytest.raises(PromptError, match=r"p\.txt:2: found byte 0xe9 at byte offset 9"):
        read_prompts(path)


@pytest.mark.parametrize("name", ["p.xlsx", "p", "p.jsonl", "folder.txt"])
def test_a_file_that_cannot_be_read_is_said_plainly(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.txt").mkdir()
    with pytest.raises(
        PromptError, match=r"wanted a \.jsonl, \.json, .* or \.parquet|cannot be read|no \.parquet"
    ):
        read_prompts(tmp_path / name)


@pytest.mark.parametrize("name", ["p.jsonl", "p.txt"])
def test_an_empty_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(PromptError, match="found no prompt"):
        read_prompts(write(tmp_path, name, ""))


def test_duplicates_are_merged_counted_and_reported(tmp_path: Path) -> None:
    found = read_prompts(write(tmp_path, "p.txt", "caf\u00e9\nb\ncafe\u0301\nb \nB\n"))
    assert [prompt.text for prompt in found.prompts] == ["caf\u00e9", "b", "B"]
    assert found.report.duplicates == ((3, 1), (4, 2))
    assert "5 prompts read, 3 kept" in found.report.summary()
    assert "1 stripped" in found.report.summary()
    assert "2 duplicates merged (line 3 = 1, 4 = 2)" in found.report.summary()


def test_at_most_ten_duplicates_are_listed_but_all_are_counted(tmp_path: Path) -> None:
    found = read_prompts(write(tmp_path, "p.txt", "a\n" * 30))
    assert len(found.report.duplicates) == 10
    assert "29 duplicates merged" in found.report.summary()
    assert found.report.summary().endswith("11 = 1 ...)")


def test_one_prompt_with_two_labels_is_refused(tmp_path: Path) -> None:
    lines = '{"text": "a", "object": "x"}\n{"text": "b"}\n{"text": "a", "object": "y"}\n'
    with pytest.raises(PromptError, match=r"p\.jsonl:3: found object 'y', but line 1"):
        read_prompts(write(tmp_path, "p.jsonl", lines))
