"""See a run with some of its prompts only, to compute on them and to leave the run as it is."""

from collections.abc import Iterable, Mapping

from pipeline.prompts.prompt import Prompt
from pipeline.runs.identity import RunIdentity
from pipeline.runs.run import Run


class SomePrompts(Run):
    """A run whose `prompts` are some of its own. It is for reading.

    Shards, seeds and identity are those of the run. The recipe's `metric_prompts` do not hold,
    because they count all prompts.

    Args:
        run: The run.
        prompts: Prompts of the run; their groups may differ from the run's.
    """

    def __init__(self, run: Run, prompts: Iterable[Prompt]) -> None:
        recipe = run.recipe.model_copy(update={"metric_prompts": {}})
        super().__init__(run.root, RunIdentity(run.config, run.card), recipe)
        self._some = {prompt.id: prompt for prompt in prompts}

    @property
    def prompts(self) -> Mapping[str, Prompt]:
        """The chosen prompts by id."""
        return self._some
