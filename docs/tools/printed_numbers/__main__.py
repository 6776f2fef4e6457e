"""Recompute each number of the documents from the tables of the repository.

    python -m docs.tools.printed_numbers            names what is wrong; the exit code is then 1
    python -m docs.tools.printed_numbers --write    writes the right numbers into the pages
    python -m docs.tools.printed_numbers PAGE ...   these pages only

Which fragment comes from which table is in docs/findings/numbers, see binding.py.
"""

import sys
from collections import Counter
from pathlib import Path

from docs.tools.printed_numbers.binding import read_bindings
from docs.tools.printed_numbers.check import check, corrected
from docs.tools.printed_numbers.page import Page
from docs.tools.printed_numbers.source import ROOT


def main(arguments: list[str]) -> int:
    """Check the pages, or write their numbers; 1 if something is wrong afterwards."""
    wanted = [Path(name).resolve() for name in arguments if name != "--write"]
    faults, counts = [], Counter[str]()
    for path, entries in read_bindings().items():
        if wanted and path not in wanted:
            continue
        name = path.relative_to(ROOT).as_posix()
        result = check(Page(path), entries, name)
        if "--write" in arguments and result.corrections:
            path.write_text(corrected(Page(path), result), encoding="utf-8")
            result = check(Page(path), entries, name)
        faults += result.faults
        counts += result.counts
        lines = (f"{name}: {n} without a table: {why}\n" for why, n in result.unsourced.items())
        sys.stdout.write("".join(lines))
    sys.stdout.write("".join(f"{fault}\n" for fault in faults))
    sys.stdout.write(_summary(counts, len(faults)))
    return int(bool(faults))


def _summary(counts: Counter[str], faults: int) -> str:
    return (
        f"{counts.total()} numbers: {counts['computed']} computed from tables, {counts['stated']} "
        f"settings and numbers of others, {counts['unsourced']} without a table; {faults} faults\n"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
