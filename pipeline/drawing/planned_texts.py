"""Counts the tokens that a card's text encoders will not read, before any network is loaded.

A plan loads the tokenizers alone, and only if a text is long enough that it could be cut.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pipeline.cards.card import Card
from pipeline.cards.card_parts import PipelineStage
from pipeline.cards.json_files import read_object
from pipeline.prompts.prompt import Prompt
from pipeline.registry import is_user_path
from pipeline.runs.checkpoint_limits import Folders, local_folders

SHORT = 20
"""UTF-8 bytes of a text that every encoder reads to the end: a token is at least one byte."""


def cut_texts(card: Card, prompts: Iterable[Prompt], negative: str, *, refuse: bool) -> list[str]:
    """List the prompts, and the negative prompt, that a text encoder of a card will cut off.

    Args:
        card: The card. Nothing is known of encoders that are not on this machine, of a family of
            the user's own, and of words that a textual inversion adds.
        prompts: The prompts; their own negative prompts count.
        negative: The negative prompt of the run; empty if there is none.
        refuse: Whether such texts are an error.

    Returns:
        The texts that are longer than an encoder reads.

    Raises:
        PromptError: If `refuse` and there are any, in the words of the command that draws.
    """
    texts = [text for prompt in prompts for text in (prompt.text, prompt.negative) if text]
    long = [text for text in [*texts, negative] if len(text.encode()) > SHORT]
    if not long or is_user_path(card.family) or card.embeddings:
        return []
    encoders = PlannedEncoders(local_folders(card))
    if refuse:
        from pipeline.drawing.long_texts import refuse_long  # loads torch, as the tokenizers do

        refuse_long(encoders, texts, negative)
    return [text for text in long if encoders.truncated_tokens(text)]


class PlannedEncoders:
    """The text encoders of a card as far as they limit a text: their tokenizers.

    Args:
        folders: The card with its folders.
    """

    def __init__(self, folders: Folders) -> None:
        self._folders = folders

    def truncated_tokens(self, text: str) -> int:
        """Count the tokens of a text that the encoder with the shortest limit does not read."""
        return max(self.tokens_cut(text).values(), default=0)

    def tokens_cut(self, text: str) -> dict[str, int]:
        """Count the tokens that each encoder cuts off a text, by the name of its tokenizer."""
        from pipeline.models.text_lengths import tokens_cut

        counts: dict[str, int] = {}
        for part, tokenizers, limits in self._stages:
            cut = tokens_cut(SimpleNamespace(**tokenizers), text, limits)
            counts |= {f"{part} {name}".strip(): count for name, count in cut.items()}
        return counts

    @cached_property
    def _stages(self) -> list[tuple[str, Mapping[str, Any], Mapping[str, int]]]:
        """For each stage that reads texts: its part, its tokenizers, and the card's limits."""
        stages = self._folders.card.stages
        if not stages:
            return [("", dict(self._tokenizers(None)), {})]
        return [
            (stage.part, dict(self._tokenizers(stage)), {stage.tokenizer: stage.max_tokens})
            for stage in stages
            if "text" in stage.sources()
        ]

    def _tokenizers(self, stage: PipelineStage | None) -> Iterator[tuple[str, Any]]:
        """Load the tokenizers of a stage whose encoders will be loaded."""
        import transformers

        pipeline = self._folders.pipeline(stage)
        file = pipeline / "model_index.json" if pipeline else None
        index = read_object(file) if file and file.is_file() else {}
        for name, entry in index.items():
            encoder = index.get(name.replace("tokenizer", "text_encoder"), [True])
            if not name.startswith("tokenizer") or not (_named(entry) and _named(encoder)):
                continue
            kind = getattr(transformers, str(entry[-1]), None)
            folder = self._component(stage, name)
            if kind is not None and folder is not None and folder.is_dir():
                yield name, kind.from_pretrained(folder, local_files_only=True)

    def _component(self, stage: PipelineStage | None, name: str) -> Path | None:
        """Give the folder of a component, which a stage may share with the first stage."""
        shared = stage is not None and name in stage.shared
        return self._folders.component(self._folders.card.stages[0] if shared else stage, name)


def _named(entry: Any) -> bool:  # noqa: ANN401 - any JSON value
    """Whether an entry of a model index names a component; `[null, null]` names none."""
    return isinstance(entry, list) and bool(entry) and bool(entry[0])
