"""Contact sheets: the seeds and prompts they show, and each image at its row and column."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from analysis.pictures.contact_sheet import (
    GAP,
    HEAD,
    LABEL,
    THUMB,
    Row,
    contact_sheet,
    draw_sheet,
    pick_prompts,
    pick_rows,
    wrap_text,
)
from analysis.pictures.lettering import Lettering
from analysis.ranking.rank import rank
from analysis.ranking.result import Ranking
from pipeline.errors import RunError
from pipeline.runs.run import Run
from tests.analysis import synthetic


def plain(prompt: synthetic.Prompt, seed: int) -> synthetic.Pixels:
    return np.full((64, 64, 3), (int(prompt.id[:2], 16), 10 * seed, 77), np.uint8)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("run")
    return synthetic.measured(folder, plain, seeds=range(12), n_prompts=24)


@pytest.fixture(scope="module")
def ranking(run: Run) -> Ranking:
    return rank(run)


def test_rows_are_the_best_the_middle_and_the_worst(ranking: Ranking) -> None:
    rows = pick_rows(ranking, 2)
    order = [row.seed for row in sorted(ranking.seeds, key=lambda row: row.rank_set1)]
    turned = dataclasses.replace(ranking, seeds=ranking.seeds[::-1])
    assert pick_rows(turned, 2) == rows, "the order on set 2 must not choose seeds"
    assert [row.seed for row in rows] == [*order[:2], *order[5:7], *order[-2:]]
    assert rows[0].label.startswith(f"seed {order[0]}\n")
    assert "rank 1, set 2: " in rows[0].label
    assert len(pick_rows(ranking, 6)) == 12  # no seed twice


def test_columns_are_prompts_of_set_2_of_different_groups(run: Run) -> None:
    prompts = pick_prompts(run, 5)
    assert {prompt.set for prompt in prompts} == {2}
    assert len({prompt.group for prompt in prompts}) == 5
    assert len(pick_prompts(run, 99)) == sum(p.set == 2 for p in run.prompts.values())


def test_columns_are_prompts_whose_images_are_kept(tmp_path: Path) -> None:
    run = synthetic.start(tmp_path / "some", seeds=[0, 1], n_prompts=24, keep_images=8)
    kept = {prompt_id for prompt_id in list(run.prompts)[:8] if run.prompts[prompt_id].set == 2}
    assert kept
    assert {prompt.id for prompt in pick_prompts(run, 8)} == kept
    every = synthetic.start(tmp_path / "all", seeds=[0, 1], n_prompts=24)
    assert not {prompt.id for prompt in pick_prompts(every, 8)} <= kept
    none = synthetic.start(tmp_path / "none", seeds=[0, 1], n_prompts=24, keep_images="none")
    assert pick_prompts(none, 8) == pick_prompts(every, 8)


def test_each_image_is_at_its_row_and_column(run: Run, ranking: Ranking) -> None:
    sheet = np.asarray(contact_sheet(run, ranking, rows_each=2, columns=3))
    assert sheet.shape == (HEAD + 6 * (THUMB + GAP), LABEL + 3 * (THUMB + GAP), 3)
    for line, row in enumerate(pick_rows(ranking, 2)):
        for column, prompt in enumerate(pick_prompts(run, 3)):
            top, left = HEAD + line * (THUMB + GAP), LABEL + column * (THUMB + GAP)
            field = sheet[top : top + THUMB, left : left + THUMB]
            np.testing.assert_array_equal(field, plain(prompt, row.seed)[:1, :1] + 0 * field)
    assert (sheet[:HEAD, LABEL:] < 100).any()  # something is written above
    assert (sheet[HEAD:, :LABEL] < 100).any()


def test_the_same_sheet_has_the_same_pixels(run: Run, ranking: Ranking) -> None:
    first, second = (np.asarray(contact_sheet(run, ranking)) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_a_missing_image_is_grey_and_no_image_at_all_is_an_error(run: Run, tmp_path: Path) -> None:
    prompts = pick_prompts(run, 1)
    sheet = np.asarray(draw_sheet(run, [Row("here", 3), Row("not here", 999)], prompts))
    assert (sheet[-GAP - 1, LABEL] == 128).all()
    with pytest.raises(RunError, match="keeps no image"):
        draw_sheet(synthetic.start(tmp_path, n_prompts=2), [Row("x", 0)], prompts)


@pytest.mark.parametrize(
    "text",
    ["a red horse on a street beside a blue bowl in the snow", "x" * 300, "a\nb\tc", "é 馬 שלום"],
)
def test_labels_fit_their_column(text: str) -> None:
    lettering = Lettering(13)
    lines = wrap_text(text, lettering, THUMB, lines=3).split("\n")
    assert len(lines) <= 3
    assert all(lettering.length(line) <= THUMB for line in lines)
    assert lines[0].startswith(text[0])


class _Counting(Lettering):
    """Counts how often a line is measured."""

    calls = 0

    def length(self, line: str) -> float:
        self.calls += 1
        return super().length(line)


@pytest.mark.parametrize("text", ["x" * 10_000, "\u200d" * 10_000, "word " * 2_000 + "y" * 9_000])
def test_a_prompt_of_10000_letters_is_cut_quickly(text: str) -> None:
    lettering = _Counting(13)
    lines = wrap_text(text, lettering, 128, lines=4).split("\n")
    assert all(lettering.length(line) <= 128 for line in lines)
    assert lettering.calls < 2_500  # once a word, and no more than a few times a line
