"""Compiled networks, and the kernels and precision that a run chooses."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.attention import SDPBackend

from pipeline.batch import Batch
from pipeline.cards.card import Card, load_cards, resolve
from pipeline.errors import ConfigError, ModelError
from pipeline.interventions.base import Intervention
from pipeline.models import kernels
from pipeline.models.diffusers_pipeline import DiffusersPipeline
from pipeline.settings.kernels import check_kernels
from tests.pipeline import tiny, tiny_pipelines

# diffusers 0.42 turns a tensor into an array in a way that numpy 2 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

DEFAULTS = {"attention": "default", "channels_last": False, "tf32": "default", "vae_dtype": ""}


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> Card:
    folder = tmp_path_factory.mktemp("sdxl-turbo")
    return tiny_pipelines.checkpoint(folder, load_cards()["sdxl-turbo"])


@pytest.fixture(scope="module")
def drawn(card: Card) -> np.ndarray:
    images: np.ndarray = made(card).generate(tiny.batch()).images
    return images


def made(card: Card, **changes: Any) -> Any:  # noqa: ANN401
    config = tiny.config(card, **changes)
    model = DiffusersPipeline(card, resolve(card), config, Intervention({}))
    return kernels.with_kernels(model, config)


def worst(ours: np.ndarray, theirs: np.ndarray) -> int:
    return int(abs(ours.astype(int) - theirs.astype(int)).max())


@pytest.mark.skipif(not shutil.which("g++"), reason="compiling needs g++")
@pytest.mark.parametrize("compiled", ["blocks", pytest.param(True, marks=pytest.mark.slow)])
def test_a_described_pipeline_can_be_compiled(
    compiled: bool | str,  # noqa: FBT001 - a parameter of the test
    card: Card,
    drawn: np.ndarray,
) -> None:
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    images = made(card, compiled=compiled).generate(tiny.batch()).images
    assert worst(images, drawn) <= 1
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"], "something was compiled"
    assert not torch._dynamo.utils.counters["graph_break"]


def test_a_pipeline_without_a_network_is_not_compiled() -> None:
    with pytest.raises(ModelError, match="has no network to compile; set `compiled: false`"):
        kernels.compile_networks(object(), tiny.config(load_cards()["seedling"], compiled=True))


class Watching:
    """A model that says which kernels are on while it draws."""

    def __init__(self, look: Callable[[], Any]) -> None:
        self.look = look

    def generate(self, batch: Batch) -> Any:  # noqa: ANN401
        return self.look()

    def truncated_tokens(self, text: str) -> int:
        return 0


def seen(look: Callable[[], Any], **changes: Any) -> Any:  # noqa: ANN401
    config = tiny.config(load_cards()["seedling"], **changes)
    model: Any = kernels.with_kernels(Watching(look), config)  # type: ignore[arg-type]
    return model.generate(tiny.batch())


def precision() -> tuple[str, str]:
    convolutions = torch.backends.cudnn.conv  # type: ignore[attr-defined]  # made at import
    return torch.backends.cuda.matmul.fp32_precision, convolutions.fp32_precision


def test_the_kernels_are_chosen_while_the_model_draws_and_only_then() -> None:
    before = precision()
    assert seen(precision) == before, "the negative control"
    assert seen(precision, tf32="all") == ("tf32", "tf32")
    assert seen(precision, tf32="none") == ("ieee", "ieee")
    assert precision() == before
    flash = torch.backends.cuda.flash_sdp_enabled
    assert flash()
    assert not seen(flash, attention="math")
    assert flash()


def test_another_kernel_of_attention_draws_the_same_but_for_rounding(
    card: Card, drawn: np.ndarray
) -> None:
    assert worst(made(card, attention="math").generate(tiny.batch()).images, drawn) <= 1


def test_a_kernel_that_is_not_there_is_said_in_words() -> None:
    query = torch.zeros(1, 1, 4, 8, dtype=torch.float64)

    def attend() -> torch.Tensor:
        return torch.nn.functional.scaled_dot_product_attention(query, query, query)

    with pytest.raises(ModelError, match="`attention: cudnn` has no kernel on this device"):
        seen(attend, attention="cudnn")
    assert seen(attend, attention="math").shape == query.shape


def test_other_errors_stay_what_they_are() -> None:
    def fail() -> None:
        raise RuntimeError("out of luck")

    with pytest.raises(RuntimeError, match="out of luck"):
        seen(fail, attention="math")


def test_the_decoder_has_a_dtype_of_its_own(card: Card, drawn: np.ndarray) -> None:
    model = made(card, vae_dtype="bfloat16")
    seen_dtypes = []
    model.pipe.vae.decoder.register_forward_hook(lambda _, __, out: seen_dtypes.append(out.dtype))
    images = model.generate(tiny.batch()).images
    assert seen_dtypes == [torch.bfloat16]
    assert model.pipe.unet.dtype == torch.float32
    assert 1 <= worst(images, drawn) <= 16, "8 bits of precision, but the same pictures"


def test_a_pipeline_without_a_decoder_refuses_a_dtype_for_it(tmp_path: Path) -> None:
    pixels = tiny_pipelines.checkpoint(tmp_path, load_cards()["ddpm-cat"])
    with pytest.raises(ModelError, match="has no autoencoder; remove `vae_dtype`"):
        made(pixels, vae_dtype="bfloat16")


def test_channels_lie_last(card: Card, drawn: np.ndarray) -> None:
    model = made(card, channels_last=True)
    weight = model.pipe.unet.conv_in.weight
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert not weight.is_contiguous()
    assert worst(model.generate(tiny.batch()).images, drawn) <= 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tf32": "all"}, "tf32 is all, which acts on a GPU only"),
        ({"channels_last": True}, "channels_last is true, which acts on a GPU only"),
        ({"attention": "cudnn"}, "attention is cudnn, which acts on a GPU only"),
        ({"vae_dtype": "float32"}, "as the other networks are anyway; remove vae_dtype"),
    ],
)
def test_what_changes_nothing_is_refused_beforehand(changes: Any, message: str) -> None:  # noqa: ANN401
    card = load_cards()["seedling"]
    with pytest.raises(ConfigError, match=message):
        check_kernels("", card, DEFAULTS | changes, card.dtype)
    check_kernels("", card, DEFAULTS, card.dtype)
    check_kernels("", card.model_copy(update={"gpu": True}), DEFAULTS | changes, "float16")


def test_glide_has_no_decoder_to_choose_a_dtype_for() -> None:
    with pytest.raises(ConfigError, match="the family glide of card glide does not read it"):
        check_kernels("", load_cards()["glide"], DEFAULTS | {"vae_dtype": "bfloat16"}, "float32")


def test_each_value_of_attention_is_one_of_torch() -> None:
    assert set(kernels.ATTENTION.values()) <= set(SDPBackend.__members__.values())
