"""Remove the leftovers of a run: files that no result depends on any more."""

from dataclasses import asdict, dataclass

from goldenseed.progress import note
from pipeline.errors import RunError
from pipeline.runs.drivers import Claims
from pipeline.runs.run import Run
from pipeline.storage.leftovers import leftovers


@dataclass(frozen=True)
class Collected:
    """The leftovers of a run.

    Attributes:
        run: The folder.
        interrupted: Files that interrupted processes left.
        interrupted_bytes: Their size.
        set_aside: Files that were set aside, because they were damaged or out of date.
        set_aside_bytes: Their size.
        removed: Whether they were removed.
    """

    run: str
    interrupted: int
    interrupted_bytes: int
    set_aside: int
    set_aside_bytes: int
    removed: bool

    def as_dict(self) -> dict[str, object]:
        """Return plain values for JSON."""
        return asdict(self)


def collect(run: Run, *, dry_run: bool = False) -> Collected:
    """Count the leftovers of a run, and remove them.

    Args:
        run: The run.
        dry_run: Only count them.

    Raises:
        RunError: If another process works on the run: what it is writing looks like a leftover.
    """
    with Claims(run.store, "gc", recipe=run.recipe.name, tell=lambda _: None) as claims:
        others = [str(driver) for driver in claims.others()]
        if others and not dry_run:
            raise RunError(
                f"{run.root}: {'; '.join(others)} works on this run, and the files that it is "
                f"writing look like leftovers; wait until it ends, or give --dry-run to count"
            )
        if others:
            note(f"{'; '.join(others)} works on this run: its unfinished files are counted, too")
        if not dry_run:
            run.settle()
        found = [*leftovers(run.store)]
        for file in found if not dry_run else ():
            run.store.remove(file.key)
    sizes = {aside: [f.bytes for f in found if f.superseded is aside] for aside in (False, True)}
    return Collected(
        run=str(run.root),
        interrupted=len(sizes[False]),
        interrupted_bytes=sum(sizes[False]),
        set_aside=len(sizes[True]),
        set_aside_bytes=sum(sizes[True]),
        removed=not dry_run,
    )
