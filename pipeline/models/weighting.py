"""Encodes prompts with weights and in several chunks, by the library compel.

Each text is encoded alone, and its embeddings are filled up with those of an empty text to the
number of chunks that the run says. So an image does not depend on the other prompts of its batch.
"""

from functools import lru_cache
from typing import Any

import torch

from pipeline.batch import Batch
from pipeline.errors import ModelError
from pipeline.settings.config import RunConfig
from pipeline.settings.weighting import with_version

WRAPPERS = {
    "StableDiffusionPipeline": "CompelForSD",
    "StableDiffusionXLPipeline": "CompelForSDXL",
}
"""Pipeline -> what compel has for it."""

ENCODED_TEXTS = 256
"""Texts whose embeddings are kept."""


class Weighting:
    """Encodes the texts of a pipeline with compel.

    Args:
        pipe: The pipeline.
        config: The run, which says the version of compel and the number of chunks.

    Raises:
        ConfigError: If compel is not installed.
        ModelError: If it is installed in another version than the run's.
    """

    def __init__(self, pipe: Any, config: RunConfig) -> None:  # noqa: ANN401 - pipes are untyped
        _require(config.prompt_weighting)
        import compel  # optional, and it imports several pipelines

        wrapper = getattr(compel, WRAPPERS[type(pipe).__name__])
        words = compel.DiffusersTextualInversionManager(pipe)
        self._compel = wrapper(pipe, textual_inversion_manager=words)
        self._dtype = pipe.text_encoder.dtype
        self._length = pipe.tokenizer.model_max_length * config.prompt_chunks
        self._special = set(pipe.tokenizer.all_special_ids)
        self._encode = lru_cache(ENCODED_TEXTS)(self._encode_uncached)
        self._empty: torch.Tensor = self._compel("").embeds

    def arguments(self, batch: Batch, config: RunConfig, *, guided: bool) -> dict[str, Any]:
        """Encode the prompts of a batch, and their negative prompts under guidance.

        Args:
            batch: B cells.
            config: The run, whose negative prompt stands for prompts without one.
            guided: Whether the pipeline reads negative prompts.

        Returns:
            Argument of the pipeline's call -> embeddings, (B, tokens, D) or (B, D).
        """
        texts = [prompt.text for prompt in batch.prompts]
        found = self._named("", texts)
        if guided:
            own = [prompt.negative or config.negative_prompt for prompt in batch.prompts]
            found |= self._named("negative_", own)
        return found

    def _named(self, start: str, texts: list[str]) -> dict[str, Any]:
        pairs = [self._encode(text) for text in texts]
        found = {f"{start}prompt_embeds": torch.cat([embeds for embeds, _ in pairs])}
        pooled = [each for _, each in pairs if each is not None]
        return found | ({f"{start}pooled_prompt_embeds": torch.cat(pooled)} if pooled else {})

    def _encode_uncached(self, text: str) -> tuple[torch.Tensor, torch.Tensor | None]:
        encoded = self._compel(text)
        missing = (self._length - encoded.embeds.shape[1]) // self._empty.shape[1]
        filled = torch.cat([encoded.embeds, *[self._empty] * max(0, missing)], dim=1)
        pooled = encoded.pooled_embeds
        embeds = filled[:, : self._length].to(self._dtype)
        return embeds, None if pooled is None else pooled.to(self._dtype)

    def cut(self, text: str) -> int:
        """Count the tokens of a text that lie beyond the chunks which are read."""
        first = getattr(self._compel, "compel", None) or self._compel.compel_1
        tokens = first.build_conditioning_tensor(text, return_tokenization=True)[1]
        ids = torch.as_tensor(tokens).flatten().tolist()[self._length :]
        return sum(number not in self._special for number in ids)


def _require(wanted: str) -> None:
    installed = with_version("compel")
    if installed != wanted:
        raise ModelError(
            f"the run was begun with {wanted}, and {installed} is installed, which may encode "
            f"prompts in another way; install {wanted.replace('-', '==')}.*, or start a new run"
        )
