"""`goldenseed grid`, `compare`, `votes` and `pick` on a drawn run, and what they refuse."""

import json
import shutil
from pathlib import Path

import pytest

from analysis.publish.compare.key import read_key
from analysis.publish.compare.votes import check_value
from goldenseed.commands import report
from tests.goldenseed.conftest import Call


def test_the_grid_says_its_size_before_it_is_written(
    made: Path, call: Call, tmp_path: Path
) -> None:
    out = tmp_path / "grid"
    called = call("grid", made / "run", "--out", out, "--dry-run")
    assert called.code == 0
    assert "8 seeds x 40 prompts, 64 pixels each: 9 files, about" in called.out
    assert not out.exists()
    called = call("grid", made / "run", "--out", out, "--json")
    (plan,) = json.loads(called.out)
    assert (called.code, plan["files"]) == (0, 9)
    assert len([path for path in out.rglob("*.*") if path.is_file()]) == 9
    assert call("grid", made / "run", "--out", out, "--cell", 7).code == 2


def test_the_report_brings_a_small_grid_and_says_when_it_is_large(
    made: Path, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = call("report", made / "run", "--out", tmp_path / "small")
    assert called.code == 0
    assert (tmp_path / "small" / "grid" / "index.html").exists()
    assert 'href="grid/index.html"' in (tmp_path / "small" / "index.html").read_text("utf-8")
    monkeypatch.setattr(report, "MOST_GRID_BYTES", 1000)
    called = call("report", made / "run", "--out", tmp_path / "large")
    assert (called.code, "`goldenseed grid` makes it" in called.err) == (0, True)
    assert not (tmp_path / "large" / "grid").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "note.txt").write_text("mine")
    assert call("report", made / "run", "--out", tmp_path / "mine").code == 2
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["note.txt"]


def vote_all(folder: Path, rater: str, path: Path) -> Path:
    """A rater who always sees that the first side is better."""
    key = read_key(folder)
    rows = [
        (i, "quality", "left" if pair.left == 0 else "right") for i, pair in enumerate(key.pairs)
    ]
    votes = [{"pair": pair, "question": q, "choice": choice} for pair, q, choice in rows]
    check = check_value(key.page, rater, rows)
    content = {"format": "goldenseed votes 1", "page": key.page, "rater": rater, "votes": votes}
    path.write_text(json.dumps(content | {"check": check}))
    return path


def test_two_runs_are_compared_and_votes_are_counted(
    made: Path, call: Call, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(made / "run", other)
    out = tmp_path / "ab"
    called = call("compare", made / "run", "--with", other, "--pairs", 30, "--out", out)
    assert called.code == 0, called.err
    assert "run against other: 30 pairs of 30 prompts" in called.out
    assert "60% with power" in called.out
    assert "takes 199 pairs" in called.out
    files = [vote_all(out, name, tmp_path / f"{name}.json") for name in ("ann", "bob")]
    called = call("votes", *files, "--page", out)
    assert called.code == 0, called.err
    assert "run wins" in called.out
    found = json.loads(call("votes", *files, "--page", out, "--json").out)
    assert found["questions"][0]["win_rate"]["value"] == 1
    # Two raters say nothing about others, however unanimous they are.
    assert found["questions"][0]["verdict"] == "run is preferred by these raters"
    assert found["raters"] == [["ann", 30], ["bob", 30]]
    again = call("compare", made / "run", "--with", other, "--out", out)
    assert (again.code, "votes need the key" in again.err) == (2, True)
    edited = tmp_path / "ann.json"
    edited.write_text(edited.read_text().replace("left", "right", 1))
    called = call("votes", edited, "--page", out)
    assert (called.code, "was changed after it was saved" in called.err) == (2, True)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "1 run is given"),
        (["--golden"], "choose two of"),
        (["--golden", "--bad", "--random"], "choose two of"),
        (["--golden", "--random", "--pairs", "0"], "seeds"),
        (["--with", "nowhere"], "nowhere is not a run folder"),
    ],
)
def test_what_cannot_be_compared_is_said(
    made: Path, call: Call, tmp_path: Path, options: list[str], words: str
) -> None:
    called = call("compare", made / "run", *options, "--out", tmp_path / "new")
    assert called.code == 2
    assert words in called.err
    assert not (tmp_path / "new").exists()


def test_the_pick_page_and_missing_folders(made: Path, call: Call, tmp_path: Path) -> None:
    called = call("pick", made / "run", "--prompts", 3, "--images", 4, "--out", tmp_path / "pick")
    assert called.code == 0
    assert "3 prompts with up to 4 images" in called.out
    assert call("pick", made / "run", "--images", 1, "--out", tmp_path / "new").code == 2
    for command in ("grid", "compare", "pick"):
        assert call(command, tmp_path / "nowhere").code == 2
    called = call("votes", tmp_path / "no.json", "--page", tmp_path)
    assert (called.code, "holds no key.json" in called.err) == (2, True)
