"""Print how far runs are, and what their studies found."""

from collections.abc import Mapping, Sequence

from goldenseed.output import tables
from goldenseed.steps.status import Status


def print_statuses(statuses: Sequence[Status], *, as_json: bool) -> None:
    """Print how far each run is."""
    if as_json:
        tables.print_json([status.as_dict() for status in statuses])
        return
    tables.print_rows("status", [_row(status) for status in statuses])


def print_findings(findings: Sequence[Mapping[str, str]]) -> None:
    """Print what studies found, one line each.

    Args:
        findings: For each run, name of a study -> its outcome.
    """
    for outcomes in findings:
        for name, outcome in outcomes.items():
            tables.line(f"{name}: {tables.plain(outcome)}")


def _row(status: Status) -> tables.Row:
    return {
        "run": status.run,
        "run_id": status.run_id,
        "images": f"{status.drawn:,} of {status.cells:,}{_rest(status)}",
        "failed": f"{status.failed:,}",
        "shards": f"{status.shards_done:,} of {status.shards:,}",
        "size": tables.number_of_bytes(status.image_bytes),
        "features": _features(status),
        "ranked": "yes" if status.ranked else "no",
        "releases": ", ".join(status.releases) or "-",
        "leftovers": _leftovers(status),
    }


def _rest(status: Status) -> str:
    return f", and {status.rest:,} outside the grid" if status.rest else ""


def _leftovers(status: Status) -> str:
    size = tables.number_of_bytes(status.leftover_bytes)
    return f"{status.leftovers:,} ({size})" if status.leftovers else "-"


def _features(status: Status) -> str:
    parts = [f"{name} {done:,}/{status.shards:,}" for name, done in status.features.items()]
    return ", ".join(parts) or "-"
