"""A text is encoded once, alone, and gives what the pipeline's own method gives."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from pipeline.cards.card import load_cards, resolve
from pipeline.interventions.base import Intervention
from pipeline.models.diffusers_pipeline import DiffusersPipeline
from pipeline.models.texts import Remembered
from tests.pipeline import native_calls, tiny, tiny_pipelines

# diffusers 0.42 turns a tensor into an array in a way that numpy 2 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

CARDS = ("sdxl-turbo", "sd35-large", "flux-schnell", "flux2-klein", "z-image-turbo", "pixart-sigma")


@pytest.fixture(scope="module", params=CARDS)
def pipe(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:  # noqa: ANN401
    folder = tmp_path_factory.mktemp(request.param)
    card = tiny_pipelines.checkpoint(folder, load_cards()[request.param])
    return DiffusersPipeline(card, resolve(card), tiny.config(card), Intervention({})).pipe


@pytest.fixture
def forwards(pipe: Any) -> Iterator[list[int]]:  # noqa: ANN401
    """The number of texts in each call of the first text encoder."""
    sizes: list[int] = []

    def look(module: Any, args: Any, options: Any, output: Any) -> None:  # noqa: ANN401
        ids = args[0] if args else options["input_ids"]
        sizes.append(len(ids))

    handle = pipe.text_encoder.register_forward_hook(look, with_kwargs=True)
    yield sizes
    handle.remove()


def leaves(result: Any) -> list[torch.Tensor]:  # noqa: ANN401
    if isinstance(result, torch.Tensor):
        return [result]
    return [leaf for part in result or () for leaf in leaves(part)]


@torch.inference_mode()
def test_each_text_is_encoded_once_and_equals_the_batch(pipe: Any, forwards: list[int]) -> None:  # noqa: ANN401
    prompts = ["a red ball", "a cat xy", "a red ball", "a cat xy"]
    arguments = {"prompt": prompts, "device": torch.device("cpu"), **second(pipe, prompts)}
    ours = leaves(pipe.encode_prompt(**arguments))
    again = leaves(pipe.encode_prompt(**arguments))
    once = len(forwards)
    with native_calls.own_encoder(pipe):
        theirs = leaves(pipe.encode_prompt(**arguments))
    assert set(forwards[:once]) == {1}
    assert sum(forwards[:once]) <= 4, "two prompts, and an empty one for each without guidance"
    assert max(forwards[once:]) == 4, "the negative control: the library encodes all copies"
    assert [leaf.shape for leaf in ours] == [leaf.shape for leaf in theirs]
    for mine, other, repeated in zip(ours, theirs, again, strict=True):
        torch.testing.assert_close(mine, other, atol=1e-5, rtol=1e-4)
        assert torch.equal(mine, repeated)


def second(pipe: Any, prompts: list[str]) -> dict[str, list[str]]:  # noqa: ANN401
    """The prompts for the further encoders, which SD 3 wants by name."""
    return {"prompt_2": prompts, "prompt_3": prompts} if hasattr(pipe, "tokenizer_3") else {}


def encode(prompt: Any, device: Any = None, negative_prompt: Any = None) -> Any:  # noqa: ANN401
    """Pads to the longest prompt of the batch, as some pipelines do."""
    longest = max(map(len, prompt))
    return torch.tensor([[len(text)] * longest for text in prompt]), device, negative_prompt


def test_prompts_that_are_padded_together_are_encoded_together() -> None:
    remembered = Remembered(encode, 8)
    assert remembered(["a", "bcd"])[0].tolist() == [[1, 1, 1], [3, 3, 3]]
    assert remembered(prompt=["abc", "bcd"])[0].tolist() == [[3, 3, 3], [3, 3, 3]]


def test_a_text_is_known_by_all_its_arguments() -> None:
    calls = []

    def counted(prompt: list[str], negative_prompt: list[str] | None = None) -> torch.Tensor:
        calls.append((prompt, negative_prompt))
        return torch.zeros(len(prompt), 1)

    remembered = Remembered(counted, 2)
    remembered(["a", "a"], ["x", "y"])
    assert calls == [(["a"], ["x"]), (["a"], ["y"])]
    remembered(["b"], ["x"])  # the oldest is forgotten
    remembered(["a"], ["y"])
    remembered(["a"], ["x"])
    assert calls[2:] == [(["b"], ["x"]), (["a"], ["x"])]


def test_a_single_text_and_given_embeddings_are_left_to_the_method() -> None:
    remembered = Remembered(encode, 8)
    assert remembered("ab")[0].tolist() == encode("ab")[0].tolist()
    tensor = torch.zeros(2, 1)
    assert remembered(["a", "bc"], negative_prompt=tensor)[0].tolist() == [[1, 1], [2, 2]]
    with pytest.raises(TypeError):
        remembered(unknown=1)
