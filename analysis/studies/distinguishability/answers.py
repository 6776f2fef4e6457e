"""The seeds that a classifier named for images, compared with the true seeds."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analysis.studies.distinguishability.stream import Ints, Stream
from pipeline.prompts.prompt_sets import Prompt


@dataclass(frozen=True)
class Answers:
    """The seeds that a network named for the images of a stream.

    Attributes:
        stream: The stream.
        predicted: Shape (P, S), index of the seed named for the image of each prompt and seed; -1
            where there is no image.
    """

    stream: Stream
    predicted: Ints

    def groups(self) -> NDArray[np.str_]:
        """The prompt group of each image, shape (P, S)."""
        groups = np.array([prompt.group for prompt in self.stream.prompts], dtype=np.str_)
        return np.broadcast_to(groups[:, None], self.predicted.shape)

    def right(self) -> tuple[NDArray[np.bool_], NDArray[np.str_]]:
        """Whether each image was classified correctly, shape (n,), and its prompt group."""
        known = self.predicted >= 0
        truth = np.arange(self.predicted.shape[1])
        return (self.predicted == truth)[known], self.groups()[known]

    def of_prompts(self, prompts: Sequence[Prompt]) -> "Answers | None":
        """The answers for some prompts, in their order; None if a prompt is missing."""
        row = {prompt.id: i for i, prompt in enumerate(self.stream.prompts)}
        if not all(prompt.id in row for prompt in prompts):
            return None
        rows = [row[prompt.id] for prompt in prompts]
        return Answers(replace(self.stream, prompts=tuple(prompts)), self.predicted[rows])
