"""Write and read the ranking of a run: `ranking.json`."""

import json

from analysis.ranking.result import Ranking, nothing_ranked
from pipeline.errors import RunError
from pipeline.runs.layout import RANKING_FILE
from pipeline.runs.run import Run
from pipeline.storage.sealed import seal, unseal


def save_ranking(run: Run, ranking: Ranking) -> None:
    """Write the run's `ranking.json`, replacing an older one."""
    run.store.replace(RANKING_FILE, seal(json.loads(ranking.to_json())))


def read_ranking(run: Run) -> Ranking:
    """Read the ranking that was saved last.

    Raises:
        RunError: If no ranking was saved, it is damaged, or the grid has grown since.
    """
    try:
        ranking = read_saved_ranking(run.store.read(RANKING_FILE), run_id=run.run_id)
    except FileNotFoundError as error:
        ranks = run.recipe.ranking is not None
        advice = "run `goldenseed rank` first" if ranks else nothing_ranked(run.recipe.name)
        raise RunError(f"{run.root} is not ranked: {advice}") from error
    except (ValueError, RecursionError) as error:
        raise RunError(
            f"{run.root / RANKING_FILE} is missing or damaged ({error}); "
            f"run `goldenseed rank` first"
        ) from error
    if ranking.grid_hash != run.grid_hash:
        raise RunError(
            f"{run.root / RANKING_FILE} is of an earlier grid; run `goldenseed rank` again"
        )
    return ranking


def read_saved_ranking(content: bytes, *, run_id: str) -> Ranking:
    """Read the content of `ranking.json`.

    Args:
        content: The file.
        run_id: The run that it lies in; empty if that is unknown.

    Raises:
        ValueError: If a byte has changed, or the ranking is of another run.
        RecursionError: If it is nested too deeply.
    """
    ranking = Ranking.from_json(json.dumps(unseal(content)).encode())
    if run_id not in ("", ranking.run_id):
        raise ValueError(f"it is of run {ranking.run_id}, and this is {run_id}")
    return ranking
