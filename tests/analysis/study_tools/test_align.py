"""Runs are compared on the seeds and prompts that they share, or on the same sentences."""

from collections.abc import Sequence

import numpy as np

from analysis.cells.cells import Sample
from analysis.study_tools.other_runs import align
from pipeline.prompts.prompt import Prompt

OUTLINE, OTHER = "a" * 64, "b" * 64


def sample(seeds: Sequence[int], prompts: Sequence[Prompt], first: float) -> Sample:
    values = first + np.add.outer(100.0 * np.array(seeds), np.arange(len(prompts)))
    return Sample(tuple(seeds), tuple(prompts), {"score": values})


def texts(each: Sample) -> list[str]:
    return [prompt.text for prompt in each.prompts]


def test_shared_seeds_and_prompts_are_kept_in_one_order() -> None:
    horse, bowl, cup = Prompt("a horse"), Prompt("a bowl"), Prompt("a cup")
    first = sample([1, 2, 3], [horse, bowl], 0.0)
    second = sample([2, 3, 4], [cup, bowl, horse], 0.5)
    both = align({"first": first, "second": second})
    assert both["first"].seeds == both["second"].seeds == (2, 3)
    assert both["first"].prompts == both["second"].prompts
    at = texts(both["first"]).index("a horse")
    np.testing.assert_array_equal(both["first"].columns["score"][:, at], [200.0, 300.0])
    np.testing.assert_array_equal(both["second"].columns["score"][:, at], [202.5, 302.5])


def test_runs_with_and_without_a_condition_are_compared_on_the_same_sentences() -> None:
    plain = [Prompt("a horse"), Prompt("a bowl"), Prompt("a cup")]
    drawn = [
        Prompt("a cup", image=OUTLINE),
        Prompt("a bowl", image=OUTLINE),
        Prompt("a bowl", image=OTHER),
        Prompt("a horse", image=OTHER),
    ]
    both = align({"plain": sample([5], plain, 0.0), "drawn": sample([5], drawn, 0.5)})
    assert texts(both["plain"]) == texts(both["drawn"]) == ["a cup", "a horse"]
    np.testing.assert_array_equal(both["plain"].columns["score"], [[502.0, 500.0]])
    np.testing.assert_array_equal(both["drawn"].columns["score"], [[500.5, 503.5]])


def test_a_shared_id_goes_before_a_shared_sentence() -> None:
    first = sample([5], [Prompt("a horse"), Prompt("a bowl")], 0.0)
    second = sample([5], [Prompt("a horse", image=OUTLINE), Prompt("a bowl")], 0.5)
    assert texts(align({"first": first, "second": second})["second"]) == ["a bowl"]
