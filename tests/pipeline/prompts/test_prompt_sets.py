"""Files of prompts come back as they were; a bad one says which line and why."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import PromptError, StoreError
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
        ('{"text": "a", "objekt": "b"}', "unknown field 'objekt': did you mean 'object'"),
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
        ("", "p.tsv:1: found the header"),
        ("Prompt\tCategory\na\tb\n", "p.tsv:1: found the header"),
        (HEADER, "found no prompt"),
        (HEADER + "a\t\t\t\nb\t\t\n", "p.tsv:3: found 3 columns; wanted 4"),
        (HEADER + "a\t\t\t\n\nb\t\t\t\n", "p.tsv:3: found 1 columns; wanted 4"),
        (HEADER + "\t\t\t\n", "p.tsv:2: found an empty prompt"),
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


def test_text_files_hold_one_prompt_a_line(tmp_path: Path) -> None:
    found = read_prompts(write(tmp_path, "p.TXT", "a horse\r\n  a bowl \nline\u2028sep\n\n"))
    assert [prompt.text for prompt in found.prompts] == ["a horse", "a bowl", "line\u2028sep"]
    with pytest.raises(PromptError, match=r"p\.txt:2: found an empty prompt"):
        read_prompts(write(tmp_path, "p.txt", "a\n\nb\n"))


def test_what_is_not_utf8_is_named_by_line_and_byte(tmp_path: Path) -> None:
    path = write(tmp_path, "p.txt", "horse\ncaf\u00e9".encode("latin-1"))
    with pytest.raises(PromptError, match=r"p\.txt:2: found byte 0xe9 at byte offset 9"):
        read_prompts(path)


@pytest.mark.parametrize("name", ["p.csv", "p", "p.jsonl", "folder.txt"])
def test_a_file_that_cannot_be_read_is_said_plainly(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.txt").mkdir()
    with pytest.raises(PromptError, match=r"wanted a \.jsonl, \.tsv or \.txt|cannot be read"):
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
