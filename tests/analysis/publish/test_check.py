import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from analysis.publish.base import SUMS
from analysis.publish.release.check import check_release, opening
from analysis.publish.release.check.documents import LIMIT
from analysis.publish.release.formats import LIST_FORMAT, SeedListFile, read_schemas
from docs.tools.schemas import make_schema
from pipeline.errors import RunError
from tests.analysis.publish.released import copied, release, seal


def problems(folder: Path) -> str:
    return "\n".join(f"{name}: {text}" for name, text in check_release(folder).problems)


def golden() -> dict[str, Any]:
    return dict(json.loads((release() / "golden_seeds.json").read_text()))


def test_what_publish_writes_passes() -> None:
    findings = check_release(release())
    assert not findings.problems
    assert len(findings.checked) == 5
    assert golden()["seeds"], "an empty list would not test much"


def test_the_published_schemas_follow_from_the_classes() -> None:
    assert read_schemas()["seed_list.schema.json"] == make_schema(LIST_FORMAT)


IMAGES = "images/train-00000-of-00002.parquet"
NAMES = ["README.md", "golden_seeds.csv", "contact_sheet.png", IMAGES]


@pytest.mark.parametrize("name", NAMES)
def test_a_changed_byte_is_found(tmp_path: Path, name: str) -> None:
    folder = copied(tmp_path)
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    assert f"{name}: is not what {SUMS} says" in problems(folder)


def test_missing_and_additional_files_are_found(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    (folder / "prompts.parquet").unlink()
    (folder / "extra.py").write_text("")
    found = problems(folder)
    assert f"prompts.parquet: is missing, and {SUMS} names it" in found
    assert found.count("extra.py: ") == 1, "one file, one problem"
    assert f"extra.py: is not in {SUMS}" in found
    seal(folder)
    assert "prompts.parquet: is missing; each release has it" in problems(folder)
    assert "extra.py: is no file of a release" in problems(folder)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:  # noqa: ANN401
    """Each place of a document, `sampling` left out, which is free."""
    keys: list[Any] = list(value) if isinstance(value, dict) else []
    keys = list(range(len(value))) if isinstance(value, list) else keys
    keys = [key for key in keys if key != "sampling"]
    inner = [place for key in keys for place in places(value[key], (*path, key))]
    return [path, *inner] if path else inner


def parent(document: Any, path: tuple[Any, ...]) -> Any:  # noqa: ANN401
    for key in path[:-1]:
        document = document[key]
    return document


def spoil(document: dict[str, Any], data: st.DataObject) -> None:
    """Break the form of a document: remove a field, add a field, or give it another type."""
    path = data.draw(st.sampled_from([p for p in places(document) if isinstance(p[-1], str)]))
    within, key = parent(document, path), path[-1]
    kind = data.draw(st.sampled_from(["remove", "add", "type"]))
    if kind == "remove":
        del within[key]
    elif kind == "add":
        within[f"{key}_"] = within[key]
    else:
        within[key] = {"an": "object"} if not isinstance(within[key], dict) else "a text"


@given(st.data())
def test_mutated_documents_are_rejected_by_the_schema_and_by_the_check(data: st.DataObject) -> None:
    document = golden()
    validator = jsonschema.Draft202012Validator(json.loads(read_schemas()["seed_list.schema.json"]))
    assert validator.is_valid(document)
    spoil(document, data)
    assert not validator.is_valid(document)
    with pytest.raises(ValidationError):
        SeedListFile.model_validate_json(json.dumps(document))


def other(value: Any) -> Any:  # noqa: ANN401
    """Another value of the same type that the schema allows."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    return value / 2 + 0.25 if isinstance(value, float) else f"{value}x"


def changeable() -> list[tuple[Any, ...]]:
    """Places of numbers and texts that another file states, too."""
    own = {"chosen", "top_set2", "again", "verdict", "withheld", "confirmed", "chosen_mean_set2"}
    document = golden()
    return [
        path
        for path in places(document)
        if path[0] not in own
        and not str(path[0]).startswith(("null_", "unrelated_"))
        and isinstance(parent(document, path)[path[-1]], bool | int | float | str)
    ]


@settings(max_examples=25)
@given(data=st.data())
def test_a_changed_value_is_found_even_with_new_checksums(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = copied(tmp_path_factory.mktemp("changed"))
    document = golden()
    path = data.draw(st.sampled_from(changeable()))
    within = parent(document, path)
    within[path[-1]] = other(within[path[-1]])
    (folder / "golden_seeds.json").write_text(json.dumps(document))
    seal(folder)
    assert check_release(folder).problems


Change = Callable[[Path], None]


def edit(name: str, old: str, new: str) -> Change:
    def change(folder: Path) -> None:
        content = (folder / name).read_bytes()
        assert old.encode() in content
        (folder / name).write_bytes(content.replace(old.encode(), new.encode(), 1))

    return change


def other_parquet(folder: Path) -> None:
    table = pq.read_table(folder / "golden_seeds.parquet")
    pq.write_table(table.slice(1), folder / "golden_seeds.parquet")


def other_prompts(folder: Path) -> None:
    table = pq.read_table(folder / "prompts.parquet")
    texts = ["another text", *table["text"].to_pylist()[1:]]
    changed = table.set_column(1, table.schema.field("text"), [texts])
    pq.write_table(changed, folder / "prompts.parquet")


def other_noise(folder: Path) -> None:
    for name in ("golden_seeds.json", "bad_seeds.json", "noise_spec.json"):
        document = json.loads((folder / name).read_text())
        noise = document if name == "noise_spec.json" else document["noise"]
        noise["check"][0]["first16"][3] += 1e-3
        (folder / name).write_text(json.dumps(document))


CHANGES: dict[str, tuple[Change, str]] = {
    "csv": (edit("golden_seeds.csv", ",golden,", ",bad,"), "golden_seeds.csv: is not what"),
    "parquet": (other_parquet, "golden_seeds.parquet: is not what the JSON"),
    "prompts": (other_prompts, "prompts.parquet: the text of prompt"),
    "noise": (other_noise, "this machine draws other noise, by up to 0.001"),
    "readme": (edit("README.md", "- Golden seeds: ", "- Golden seeds: 4, "), "README.md: does not"),
    "croissant": (edit("croissant.json", '"sha256": "', '"sha256": "0'), "croissant.json: states"),
    "schema": (edit("seed_list.schema.json", "object", "string"), "is not the published schema"),
    "twice": (edit("golden_seeds.json", '"list":', '"list": "bad", "list":'), "a key occurs twice"),
    "nan": (edit("golden_seeds.json", '"null_mean": ', '"null_mean": NaN, "x": '), "NaN is no num"),
    "deep": (edit("golden_seeds.json", '"list":', '"x":' + "[" * 99_999 + '"list":'), "no JSON"),
}  # fmt: skip


@pytest.mark.parametrize("case", CHANGES)
def test_contradictions_are_found_even_with_new_checksums(tmp_path: Path, case: str) -> None:
    change, words = CHANGES[case]
    folder = copied(tmp_path)
    change(folder)
    seal(folder)
    assert words in problems(folder)


def test_links_are_not_followed(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("private")
    (folder / "README.md").unlink()
    (folder / "README.md").symlink_to(secret / "key")
    (folder / "more").symlink_to(secret)
    os.mkfifo(folder / "pipe")
    found = problems(folder)
    assert "README.md: is a link or a special file" in found
    assert "more: is a link or a special file" in found
    assert "pipe: is a link or a special file" in found
    assert "more/key" not in found


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a\\..\\b", "images/../../x", "C:x"])
def test_names_that_lead_out_of_the_folder_are_not_read(tmp_path: Path, name: str) -> None:
    folder = copied(tmp_path)
    with (folder / SUMS).open("a") as file:
        file.write(f"{'0' * 64}  {name}\n")
    assert "which is no file of a release" in problems(folder)


def test_a_huge_document_is_not_read(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    with (folder / "golden_seeds.json").open("r+b") as file:
        file.truncate(LIMIT + 1)
    seal(folder)
    assert f"golden_seeds.json: has {LIMIT + 1:,} bytes" in problems(folder)


def test_a_table_of_millions_of_empty_rows_is_not_read(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    path = folder / "tested_seeds.parquet"
    schema = pq.read_schema(path)
    empty = [pa.nulls(2_000_000, field.type) for field in schema]
    pq.write_table(pa.Table.from_arrays(empty, schema=schema), path, compression="zstd")
    assert path.stat().st_size < LIMIT
    seal(folder)
    assert "tested_seeds.parquet: has 2,000,000 rows" in problems(folder)


def zipped(folder: Path, path: Path, *, inside: str = "") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, f"{inside}{file.relative_to(folder)}")
    return path


@pytest.mark.parametrize("inside", ["", "my-release/"])
def test_an_archive_is_checked_as_its_folder(tmp_path: Path, inside: str) -> None:
    assert not problems(zipped(release(), tmp_path / "r.zip", inside=inside))


def test_an_archive_that_leads_out_or_is_a_bomb_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = zipped(release(), tmp_path / "r.zip")
    outward = zipped(release(), tmp_path / "out.zip")
    with zipfile.ZipFile(outward, "a") as archive:
        archive.writestr("../evil", "x")
    with pytest.raises(RunError, match="no file of a release"):
        check_release(outward)
    monkeypatch.setattr(opening, "MOST_ZIP_BYTES", 10_000)
    with pytest.raises(RunError, match="unpacks to more than 10,000 bytes"):
        check_release(path)
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("kind", ["nothing", "empty", "file"])
def test_what_is_no_release_is_said(tmp_path: Path, kind: str) -> None:
    path = tmp_path / kind
    if kind == "empty":
        path.mkdir()
    if kind == "file":
        path.write_text("hello")
    with pytest.raises(RunError, match="is no release"):
        check_release(path)


def test_a_release_of_the_first_format_is_compared_with_its_checksums(tmp_path: Path) -> None:
    (tmp_path / "golden_seeds.json").write_text('{"format": "goldenseed seed list 1"}')
    (tmp_path / "README.md").write_text("old")
    (tmp_path / SUMS).write_text("")
    seal(tmp_path)
    findings = check_release(tmp_path)
    assert not findings.problems
    assert "format 1" in findings.notes[0]
    (tmp_path / "README.md").write_text("new")
    assert problems(tmp_path) == f"README.md: is not what {SUMS} says"
