"""The page on costs has the numbers of `goldenseed plan`."""

import re

import pytest

from docs.tools.costs import names_in, plans_of
from goldenseed.steps.plan import ArmPlan
from tests.docs.reading import DOCS

PAGE = (DOCS / "costs.md").read_text(encoding="utf-8")
NUMBER = r"\| ([\d,.]+) "
ROW = rf"^\| `{{name}}` \| [\w-]+ {NUMBER}{NUMBER}{NUMBER}{NUMBER}GB {NUMBER}GB \|$"


def numbers_of(name: str, page: str) -> list[float]:
    """Images, GPU-hours, CPU-hours, and GB of images and of numbers, as the page has them."""
    row = re.search(ROW.format(name=name), page, re.M)
    assert row is not None, f"the page has no row for {name}"
    return [float(cell.replace(",", "")) for cell in row.groups()]


def planned(plan: ArmPlan) -> list[float]:
    assert plan.gpu_hours is not None
    assert plan.cpu_hours is not None
    sizes = [plan.image_bytes / 1e9, plan.feature_bytes / 1e9]
    return [plan.cells, plan.gpu_hours, plan.cpu_hours, *sizes]


@pytest.mark.parametrize("name", [*names_in("paper"), *names_in("overnight")])
def test_each_row_is_what_plan_says(name: str) -> None:
    (plan,) = plans_of(name)
    assert numbers_of(name, PAGE) == pytest.approx(planned(plan), rel=0.005, abs=0.051)
    assert "not measured on a GPU" in plan.basis


def test_another_number_is_detected() -> None:
    """The negative control: one more hour in a hundred is seen."""
    (plan,) = plans_of("paper-sdxl-turbo")
    wrong = PAGE.replace("| 109 |", "| 111 |")
    assert wrong != PAGE
    found = numbers_of("paper-sdxl-turbo", wrong)
    assert found != pytest.approx(planned(plan), rel=0.005, abs=0.051)


def test_each_rate_says_that_no_gpu_was_there() -> None:
    rates = [line for line in PAGE.splitlines() if re.search(r"\| .*H100.* \|", line)]
    assert len(rates) >= 4
    assert not [line for line in rates[1:] if "not measured on a GPU" not in line]
