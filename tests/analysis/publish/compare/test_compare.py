"""The blind page hides its sides, and the votes on it are counted right or refused."""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from analysis.extraction.images import read_images
from analysis.publish.compare import (
    Side,
    choose_pairs,
    count_votes,
    sides_of_lists,
    sides_of_runs,
    write_comparison,
)
from analysis.publish.compare.key import Key, KeyPair, read_key
from analysis.publish.compare.votes import Vote, check_value, read_votes
from analysis.publish.pages import visible
from analysis.ranking.rank import read_ranking
from pipeline.errors import ConfigError, RunError
from pipeline.runs.run import Run
from tests.analysis import synthetic
from tests.browser import opened

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PAIRS = 12


@pytest.fixture(scope="module")
def run(ranked_run: Run) -> Run:
    return ranked_run


@pytest.fixture(scope="module")
def folder(run: Run) -> Path:
    made = write_comparison(sides_of_lists(run, ["golden", "random"]), PAIRS, run.root / "compare")
    return made.key.parent


def file_of(folder: Path, key: Key, rater: str, rows: list[tuple[int, str, str]]) -> Path:
    votes = [{"pair": pair, "question": q, "choice": choice} for pair, q, choice in rows]
    content = {"format": "goldenseed votes 1", "page": key.page, "rater": rater, "votes": votes}
    path = folder / f"{rater}.json"
    path.write_text(json.dumps(content | {"check": check_value(key.page, rater, rows)}))
    return path


def test_the_sides_are_hidden_and_the_key_knows_them(folder: Path, run: Run) -> None:
    key = read_key(folder)
    ranking = read_ranking(run)
    golden = set(ranking.golden.seeds)
    cells = [(pair.prompt_id, seed) for pair in key.pairs for seed in pair.seeds]
    images = read_images(run, cells)
    for number, pair in enumerate(key.pairs):
        assert pair.seeds[0] in golden
        assert pair.seeds[1] not in golden
        for position, side in (("left", pair.left), ("right", 1 - pair.left)):
            with Image.open(folder / "page" / "images" / f"{number:04d}-{position}.webp") as image:
                shown = np.asarray(image.convert("RGB"))
                assert not image.info.keys() & {"exif", "xmp", "icc_profile"}
            assert np.array_equal(shown, images[pair.prompt_id, pair.seeds[side]])
    text = (folder / "page" / "index.html").read_text("utf-8").split("</style>")[-1]
    blocks = re.findall(r'<script type="application/json".*?</script>', text)
    data = "".join(blocks).replace("goldenseed votes 1", "")
    for secret in ("golden", "random", key.salt, run.run_id, str(run.root)):
        assert secret not in data
    assert not list((folder / "page").glob("*.json"))


def test_prompts_of_set_3_are_used_where_there_are_any(run: Run) -> None:
    pairs = choose_pairs(sides_of_lists(run, ["golden", "bad"]), 8, np.random.default_rng(0))
    assert {pair.prompt.set for pair in pairs} == {3}
    assert len({(pair.prompt.id, pair.seeds) for pair in pairs}) == len(pairs)


def test_two_runs_are_compared_cell_by_cell(run: Run, tmp_path: Path) -> None:
    other = synthetic.start(tmp_path / "other", seeds=range(4, 20), n_prompts=24)
    sides = sides_of_runs(run, other)
    pairs = choose_pairs(sides, 5_000, np.random.default_rng(0))
    assert all(pair.seeds[0] == pair.seeds[1] in range(4, 16) for pair in pairs)
    assert len(pairs) == 12 * 24  # every cell that both have, once
    with pytest.raises(RunError, match="compared with itself"):
        sides_of_runs(run, run)
    far = synthetic.start(tmp_path / "far", seeds=[99], n_prompts=2)
    with pytest.raises(RunError, match="0 seeds"):
        sides_of_runs(run, far)


def test_an_earlier_comparison_is_never_replaced(folder: Path, run: Run, tmp_path: Path) -> None:
    sides = sides_of_lists(run, ["golden", "random"])
    with pytest.raises(RunError, match="votes need the key"):
        write_comparison(sides, PAIRS, folder)
    for count in (0, -1, 2_001, 10**12):
        with pytest.raises(ConfigError, match="give 1 to 2,000"):
            write_comparison(sides, count, tmp_path / "new")
    few = choose_pairs(sides, 10**12, np.random.default_rng(0))  # ends
    assert len(few) == len(sides[0].seeds) * len(sides[1].seeds) * len({p.prompt.id for p in few})
    for names in (["golden"], ["golden", "golden"], ["golden", "silver"], []):
        with pytest.raises(ConfigError, match="choose two of"):
            sides_of_lists(run, names)


def planted_key(pairs: int, groups: int) -> Key:
    rng = np.random.default_rng(1)
    return Key(
        sides=("golden", "random"),
        runs=("a", "a"),
        ranked_by="taste",
        higher={"taste": True, "distance": False},
        salt="salt",
        pairs=tuple(
            KeyPair(
                f"p{i}",
                f"g{i % groups}",
                (1, 2),
                int(rng.integers(2)),
                {"taste": (1.0, 0.0), "distance": (1.0, 0.0)},
            )
            for i in range(pairs)
        ),
    )


def test_planted_votes_give_their_rates(tmp_path: Path) -> None:
    key = planted_key(40, 8)
    path = tmp_path / "key.json"
    path.write_text(key.to_json())
    assert read_key(tmp_path) == key
    wins = [i % 4 != 0 for i in range(40)]  # the first side wins three of four
    pairs = zip(wins, key.pairs, strict=True)
    choice = ["left" if win == (pair.left == 0) else "right" for win, pair in pairs]
    ann = file_of(tmp_path, key, "ann", [(i, "quality", choice[i]) for i in range(40)])
    bob = file_of(
        tmp_path, key, "bob", [(i, "quality", choice[i] if i % 2 else "same") for i in range(40)]
    )
    results = count_votes(key, read_votes([ann, bob], key))
    (found,) = results.questions
    values = [*map(float, wins), *(float(win) if i % 2 else 0.5 for i, win in enumerate(wins))]
    assert found.win_rate.value == pytest.approx(np.mean(values))
    assert (found.votes, found.pairs, found.raters, found.same) == (80, 40, 2, 0.25)
    assert found.win_rate.low < found.of_these_raters.low < found.of_these_raters.high
    told = [float(win) for win in wins] + [float(win) for i, win in enumerate(wins) if i % 2]
    agreement = {part.metric: part.agreement.value for part in results.metrics}
    assert agreement["taste"] == pytest.approx(np.mean(told))
    assert agreement["distance"] == pytest.approx(1 - np.mean(told))
    assert [part.ranked for part in results.metrics] == [True, False]
    assert found.alpha is not None
    assert 0 < found.alpha < 1


def test_raters_who_always_press_left_prefer_nobody(tmp_path: Path) -> None:
    key = planted_key(400, 40)
    votes = [Vote("ann", pair, "quality", "left") for pair in range(400)]
    (found,) = count_votes(key, votes).questions
    assert found.left_rate == 1
    assert found.verdict == "no difference is shown"
    assert found.win_rate.low < 0.5 < found.win_rate.high


def changed(path: Path, fields: dict[str, Any]) -> Path:
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | fields))
    return path


BAD = {
    "another page": ({"page": "0" * 16}, "holds votes on page 0000"),
    "edited": ({"votes": [{"pair": 0, "question": "quality", "choice": "right"}]}, "was changed"),
    "renamed": ({"rater": "bob"}, "was changed"),
    "no name": ({"rater": " "}, "no name of a rater"),
    "long name": ({"rater": "a" * 61}, "no name of a rater"),
    "other format": ({"format": "x"}, "is no file of votes"),
    "no list": ({"votes": {}}, "no list of votes"),
    "unknown pair": (
        {"votes": [{"pair": 40, "question": "quality", "choice": "left"}]}, "vote 1 is",
    ),
    "negative pair": (
        {"votes": [{"pair": -1, "question": "quality", "choice": "left"}]}, "a pair from 0 to 39",
    ),
    "true is no pair": (
        {"votes": [{"pair": True, "question": "quality", "choice": "left"}]}, "vote 1 is",
    ),
    "other choice": (
        {"votes": [{"pair": 0, "question": "quality", "choice": "</script>"}]}, "a choice",
    ),
    "half a letter": ({"rater": "\ud800"}, "was changed"),
    "no object": ({"votes": ["\x1b[31m"]}, "vote 1 is"),
    "twice": (
        {"votes": 2 * [{"pair": 0, "question": "quality", "choice": "left"}]}, "has 2 votes",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_votes_that_cannot_be_counted_are_refused(name: str, tmp_path: Path) -> None:
    key = planted_key(40, 8)
    fields, words = BAD[name]
    path = file_of(tmp_path, key, "ann", [(0, "quality", "left")])
    assert read_votes([path], key)
    with pytest.raises(ConfigError, match=words):
        read_votes([changed(path, fields)], key)


def test_other_files_and_double_votes_are_refused(tmp_path: Path) -> None:
    key = planted_key(40, 8)
    ann = file_of(tmp_path, key, "ann", [(0, "quality", "left")])
    (tmp_path / "again").mkdir()
    again = file_of(tmp_path / "again", key, "ann", [(1, "quality", "left")])
    with pytest.raises(ConfigError, match="both votes of 'ann'"):
        read_votes([ann, again], key)
    empty = file_of(tmp_path, key, "cy", [])
    with pytest.raises(ConfigError, match="found no votes"):
        read_votes([empty], key)
    with pytest.raises(ConfigError, match="two raters, or prompts of two groups"):
        count_votes(key, read_votes([ann], key))
    for content in (b"", b"\xff\xfe", b"[" * 100_000, b"[]", b"null", b'{"format": 1}'):
        (tmp_path / "odd.json").write_bytes(content)
        with pytest.raises(ConfigError, match=r"odd\.json"):
            read_votes([tmp_path / "odd.json"], key)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_votes([tmp_path / "none.json"], key)


def test_a_changed_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"holds no key\.json"):
        read_key(tmp_path)
    path = tmp_path / "key.json"
    path.write_text(planted_key(3, 3).to_json().replace('"left": 0', '"left": 1', 1))
    with pytest.raises(ConfigError, match="was changed"):
        read_key(tmp_path)
    for content in ("", "[]", "{}", "null", '{"page": 1, "format": "x"}'):
        path.write_text(content)
        with pytest.raises(ConfigError, match=r"key\.json"):
            read_key(tmp_path)


def test_a_rater_votes_by_keyboard_saves_and_continues(
    folder: Path, browser: "Browser", tmp_path: Path
) -> None:
    key = read_key(folder)
    page = folder / "page" / "index.html"
    context = browser.new_context()
    seen = opened(context, page)
    assert seen.serious() == []
    seen.page.fill("#rater", "Ann </script>")
    seen.page.keyboard.press("Enter")
    assert seen.page.locator("#prompt").inner_text() == ""  # the picture is judged without the text
    wanted: dict[tuple[int, str], str] = {}
    for turn in range(2 * PAIRS):
        name = seen.page.locator("#left-image").get_attribute("src") or ""
        question = "alignment" if turn % 2 else "quality"
        arrow = ("ArrowLeft", "ArrowRight", "ArrowDown")[turn % 3]
        wanted[int(name[7:11]), question] = {"L": "left", "R": "right", "D": "same"}[arrow[5]]
        if turn == 5:
            assert seen.serious() == []
            seen.page.keyboard.press("ArrowUp")  # means nothing
        seen.page.keyboard.press(arrow)
        if turn == 8:
            seen.page.keyboard.press("Backspace")
            seen.page.keyboard.press(arrow)
        if turn == 10:  # the browser is closed and opened again
            seen.page.close()
            seen = opened(context, page)
            assert "11 of 24" in seen.page.locator("#earlier").inner_text()
            seen.page.click("#begin button")
    assert seen.page.locator("#end").is_visible()
    with seen.page.expect_download() as download:
        seen.page.click("#end .save")
    path = tmp_path / "ann.json"
    download.value.save_as(path)
    votes = read_votes([path], key)
    assert {(vote.pair, vote.question): vote.choice for vote in votes} == wanted
    assert {vote.rater for vote in votes} == {"Ann </script>"}
    assert seen.messages == []
    assert all(asked.startswith((page.parent.as_uri(), "blob:")) for asked in seen.requests)
    context.close()


def test_the_page_fits_and_prompts_are_text(run: Run, browser: "Browser", tmp_path: Path) -> None:
    hostile = [prompt for prompt in run.prompts.values() if prompt.group.startswith("hostile")]
    sides = (Side("a", run, (1, 2)), Side("b", run, (3, 4)))
    many = write_comparison(sides, 60, tmp_path / "many")
    assert many.pairs == 4 * many.prompts  # as many as there are
    assert {pair.left for pair in read_key(many.key.parent).pairs} == {0, 1}
    made = write_comparison((Side("a", run, (1,)), Side("b", run, (3,))), 60, tmp_path / "all")
    assert made.pairs == made.prompts
    for width in (1280, 820, 390):
        seen = opened(browser, made.page, width=width, dark=width == 820)
        seen.page.fill("#rater", "bo")
        seen.page.click("#begin button")
        texts = set()
        for _ in range(made.pairs):
            seen.page.keyboard.press("ArrowLeft")
            texts.add(" ".join(seen.page.locator("#prompt").inner_text().split()))
            assert seen.page.evaluate("document.documentElement.scrollWidth") <= width
            seen.page.keyboard.press("ArrowDown")
        shown = {" ".join(visible(prompt.text).split()) for prompt in hostile if prompt.set == 3}
        assert shown <= texts
        assert seen.messages == []
        assert seen.page.evaluate("() => window.broken") is None
        seen.page.close()
