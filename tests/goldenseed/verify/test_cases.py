"""Damage that files by themselves do not show: what contradicts the rest of the run."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from goldenseed.commands import exit_codes
from goldenseed.steps.verify.run_folder import RunFolder
from pipeline.runs.run import Run
from pipeline.storage.receipts import Receipt
from pipeline.storage.sealed import seal, unseal
from tests.goldenseed.conftest import Call


def problems(run: Path) -> dict[str, str]:
    return {file.name: file.problem for file in RunFolder(run).check() if file.problem}


def receipts(run: Path, kind: str = "images") -> list[Path]:
    return sorted((run / "receipts" / kind).rglob("*/*.json"))


def data(run: Path, receipt: Path) -> Path:
    return run / "images" / json.loads(receipt.read_text())["file"]


def edit(path: Path, **fields: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}, indent=1))


def swap(first: Path, second: Path) -> None:
    one, two = first.read_bytes(), second.read_bytes()
    first.write_bytes(two)
    second.write_bytes(one)


def swap_receipts(run: Path) -> set[str]:
    first, second, *_ = receipts(run)
    swap(first, second)
    return {first.name, second.name}


def copy_a_receipt(run: Path) -> set[str]:
    first, second, *_ = receipts(run)
    shutil.copy(first, second)
    return {second.name}


def rename_a_receipt(run: Path) -> set[str]:
    first = receipts(run)[0]
    first.rename(first.with_name("0123456789abcdef.json"))
    return {"0123456789abcdef.json", f"{first.stem}-"}


def name_the_data_of_another(run: Path) -> set[str]:
    first, second, *_ = receipts(run)
    fields = json.loads(second.read_text())
    names = ("file", "file_bytes", "content_sha256", "footer_sha256", "file_sha256", "rows")
    edit(first, **{name: fields[name] for name in names})
    return {first.name}


def exchange_data_and_hashes(run: Path) -> set[str]:
    """Both receipts agree with the data that they name, and each holds the other's cells."""
    first, second, *_ = receipts(run)
    one, two = (json.loads(path.read_text()) for path in (first, second))
    swap(data(run, first), data(run, second))
    own = ("file", "shard_id", "block")
    edit(first, **{name: value for name, value in two.items() if name not in own})
    edit(second, **{name: value for name, value in one.items() if name not in own})
    return {first.stem, second.stem}


def lose_all_receipts(run: Path) -> set[str]:
    names = {data(run, path).name for path in receipts(run)}
    shutil.rmtree(run / "receipts/images")
    return names


def lose_a_feature_shard(run: Path) -> set[str]:
    (folder,) = (run / "receipts/features").glob("perceptual-*")
    receipt = sorted(folder.rglob("*.json"))[0]
    (run / "features" / folder.name / json.loads(receipt.read_text())["file"]).unlink()
    receipt.unlink()
    return {receipt.name}


def lose_an_image_shard(run: Path) -> set[str]:
    receipt = receipts(run)[0]
    data(run, receipt).unlink()
    receipt.unlink()
    return {receipt.name}


MENDED: list[Callable[[Path], set[str]]] = [
    swap_receipts, copy_a_receipt, rename_a_receipt, name_the_data_of_another,
    exchange_data_and_hashes, lose_all_receipts, lose_a_feature_shard, lose_an_image_shard,
]  # fmt: skip


@pytest.mark.parametrize("damage", MENDED)
def test_it_is_found_named_and_mended(
    call: Call, recipe: Path, run_folder: Path, damage: Callable[[Path], set[str]]
) -> None:
    before = {r.shard_id: r.content_sha256 for r in Run.open(run_folder).images.receipts()}
    names = damage(run_folder)
    found = call("verify", run_folder)
    assert found.code == exit_codes.DAMAGED
    assert all(name in found.out for name in names), found.out
    call("verify", run_folder, "--repair")
    done = call("run", recipe, "--out", run_folder, "--executor", "local")
    assert done.code == 0, done.err
    assert call("verify", run_folder).code == 0
    assert {r.shard_id: r.content_sha256 for r in Run.open(run_folder).images.receipts()} == before


def text_of_a_prompt(line: dict[str, str]) -> None:
    line["text"] += " at night"


def group_of_a_prompt(line: dict[str, str]) -> None:
    line["group"] = "another"


@pytest.mark.parametrize("change", [text_of_a_prompt, group_of_a_prompt, None])
def test_a_changed_grid_is_found_and_not_published(
    call: Call, run_folder: Path, change: Callable[[dict[str, str]], None] | None
) -> None:
    path = run_folder / "grid/0000.json"
    fields = json.loads(path.read_text())
    prompt = json.loads(fields["prompts"].pop())
    if change is not None:
        change(prompt)
        fields["prompts"].append(json.dumps(prompt))
    path.write_text(json.dumps(fields, indent=1))
    assert "grid/0000.json" in problems(run_folder)
    for command in ("rank", "publish"):
        called = call(command, run_folder)
        assert called.code == 2
        assert "give the commands that made the run again" in called.err


def test_a_group_that_was_changed_and_sealed_contradicts_the_images(run_folder: Path) -> None:
    path = run_folder / "grid/0000.json"
    fields = unseal(path.read_bytes())
    prompt = json.loads(fields["prompts"].pop())
    group_of_a_prompt(prompt)
    path.write_bytes(seal({**fields, "prompts": [*fields["prompts"], json.dumps(prompt)]}))
    found = problems(run_folder)
    assert found
    assert all("says other things of prompt" in problem for problem in found.values())


@pytest.mark.parametrize("key", ["run.json", "ranking.json"])
def test_an_edit_is_found_and_not_published(call: Call, run_folder: Path, key: str) -> None:
    """A list that is no demonstration any more, a golden seed that was none."""
    text = (run_folder / key).read_text()
    edits = {"run.json": ('"demonstration": true', '"demonstration": false')}
    old, new = edits.get(key, ('"share": 0.25', '"share": 0.5'))
    assert old in text
    (run_folder / key).write_text(text.replace(old, new))
    assert key in problems(run_folder)
    releases = sorted((run_folder / "releases").iterdir())
    assert call("publish", run_folder).code == 2
    assert sorted((run_folder / "releases").iterdir()) == releases
    without_seal = json.loads((run_folder / key).read_text())
    del without_seal["sha256"]
    (run_folder / key).write_text(json.dumps(without_seal))
    assert call("publish", run_folder).code == 2
    assert key in problems(run_folder)


def test_the_grid_and_run_json_are_written_again_by_the_same_command(
    call: Call, recipe: Path, run_folder: Path
) -> None:
    """What the words of the refusal say."""
    wanted = {name: (run_folder / name).read_bytes() for name in ("run.json", "grid/0000.json")}
    (run_folder / "run.json").unlink()
    shutil.rmtree(run_folder / "grid")
    assert {"run.json", "grid/0000.json"} <= set(problems(run_folder))
    assert call("run", recipe, "--out", run_folder, "--executor", "local").code == 0
    assert problems(run_folder) == {}
    assert {name: (run_folder / name).read_bytes() for name in wanted} == wanted


def test_other_settings_do_not_take_over_a_folder_that_lost_its_run_json(
    call: Call, recipe: Path, run_folder: Path, tmp_path: Path
) -> None:
    (run_folder / "run.json").unlink()
    other = tmp_path / "other.yaml"
    other.write_text(recipe.read_text().replace("num_inference_steps: 2", "num_inference_steps: 3"))
    called = call("run", other, "--out", run_folder, "--executor", "local")
    assert called.code == 2
    assert "has lost its run.json and holds images of run" in called.err
    assert not (run_folder / "run.json").exists()


def shorten_sums(release: Path) -> str:
    lines = (release / "SHA256SUMS").read_text().splitlines(keepends=True)
    (release / "SHA256SUMS").write_text("".join(lines[1:]))
    return lines[0].split()[1]


def empty_sums(release: Path) -> str:
    (release / "SHA256SUMS").write_bytes(b"")
    return "SHA256SUMS"


def add_a_file(release: Path) -> str:
    (release / "golden_seeds_2.json").write_text("[]")
    return "golden_seeds_2.json"


@pytest.mark.parametrize("damage", [shorten_sums, empty_sums, add_a_file])
def test_a_changed_release_is_found_and_never_changed_back(
    call: Call, run_folder: Path, damage: Callable[[Path], str]
) -> None:
    (release,) = (run_folder / "releases").iterdir()
    name = damage(release)
    assert f"releases/{release.name}/{name}" in problems(run_folder)
    kept = {path.name: path.read_bytes() for path in release.iterdir()}
    call("verify", run_folder, "--repair")
    assert {path.name: path.read_bytes() for path in release.iterdir()} == kept
    assert call("publish", run_folder).code == 0
    assert len(list((run_folder / "releases").iterdir())) == 2


def test_a_link_out_of_the_run_is_found(run_folder: Path, tmp_path: Path) -> None:
    path = data(run_folder, receipts(run_folder)[0])
    shutil.move(path, tmp_path / "elsewhere.parquet")
    path.symlink_to(tmp_path / "elsewhere.parquet")
    key = path.relative_to(run_folder).as_posix()
    assert problems(run_folder) == {
        key: f"is a link out of the run, to {tmp_path / 'elsewhere.parquet'}; put a copy there"
    }


def test_one_bad_receipt_hides_no_other(run_folder: Path) -> None:
    first, *_, last = receipts(run_folder)
    first.write_text("{")
    data(run_folder, last).write_bytes(b"")
    found = problems(run_folder)
    assert {Path(name).name for name in found} == {first.name, data(run_folder, last).name}


def test_a_receipt_of_a_wrong_kind_of_value_is_damaged(run_folder: Path) -> None:
    path = receipts(run_folder)[0]
    for fields in ({"file": 3}, {"rows": "all"}, {"provenance": None}, {"failed": 1}):
        text = path.read_text()
        edit(path, **fields)
        assert any(path.name in f"{n} {p}" for n, p in problems(run_folder).items()), fields
        path.write_text(text)
    assert isinstance(Receipt.from_json(path.read_bytes(), path.as_posix()), Receipt)


def test_a_run_without_images_is_sealed_from_its_start(made: Path, tmp_path: Path) -> None:
    """What lost its seal is damaged, not old: else a changed run.json would be sealed anew."""
    run = Run.open(made / "run")
    folder = tmp_path / "new"
    Run.start(folder, run.config, run.recipe).grow([0], tuple(run.prompts.values()))
    assert not problems(folder)
    fields = json.loads((folder / "run.json").read_text())
    fields.pop("sha256")
    fields["card"] = {**fields["card"], "demonstration": False}
    (folder / "run.json").write_text(json.dumps(fields))
    assert "run.json" in problems(folder)
    (folder / "receipts").rmdir()  # as in a run of an earlier version, which had no seals
    assert "run.json" not in problems(folder)
