"""What is faster on a CPU, and that it is the same arithmetic."""

import copy

import pytest
import torch
from torch import nn

from pipeline.cards.card import Card, load_cards
from pipeline.cpu import OneDnnAttention, OneDnnLinear, Remembering, keep_freed_memory, speed_up
from tests.pipeline import tiny


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> Card:
    return tiny.checkpoint(tmp_path_factory.mktemp("tiny"), load_cards()["seedling-mini"])


@pytest.mark.parametrize("bias", [True, False])
def test_linear_layers_agree(*, bias: bool) -> None:
    linear = nn.Linear(56, 448, bias=bias)
    with torch.inference_mode():
        x = torch.randn(4, 64, 56, generator=torch.Generator().manual_seed(0))
        ours, other = (OneDnnLinear(one.weight, one.bias) for one in (linear, nn.Linear(56, 448)))
        torch.testing.assert_close(ours(x), linear(x), rtol=1e-5, atol=1e-5)
        assert not torch.allclose(other(x), linear(x), atol=1e-3)


def test_a_linear_layer_is_replaced_without_a_draw_and_shares_its_numbers() -> None:
    linear = nn.Linear(8, 4)
    before = torch.get_rng_state()
    fast = OneDnnLinear(linear.weight, linear.bias)
    assert torch.equal(torch.get_rng_state(), before)
    assert (fast.weight is linear.weight, fast.bias is linear.bias) == (True, True)
    assert str(fast) == f"OneDnn{linear}"
    nn.Linear(8, 4)  # the negative control: a layer of torch's own draws
    assert not torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("masked", [True, False])
def test_attention_agrees(*, masked: bool) -> None:
    attention = nn.MultiheadAttention(48, 4, batch_first=True).eval()
    for bias in (attention.in_proj_bias, attention.out_proj.bias):  # torch's own are zero
        nn.init.normal_(bias, generator=torch.Generator().manual_seed(1))
    mask = torch.full((7, 7), -torch.inf).triu(1) if masked else None
    x = torch.randn(3, 7, 48, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        ours, _ = OneDnnAttention(attention)(x, x, x, attn_mask=mask)
        wanted, _ = attention(x, x, x, attn_mask=mask, need_weights=False)
        torch.testing.assert_close(ours, wanted, rtol=1e-5, atol=1e-5)
        other, _ = OneDnnAttention(nn.MultiheadAttention(48, 4, batch_first=True))(x, x, x)
        assert not torch.allclose(other, wanted, atol=1e-3)


def test_a_new_tensor_is_asked_anew() -> None:
    projection = Remembering(nn.Linear(8, 4))
    x = torch.ones(2, 8)
    first = projection(x)
    assert projection(x) is first
    assert torch.equal(projection(2 * x), projection.module(2 * x))
    assert torch.equal(projection(x), first)


def test_the_network_is_the_same_function(card: Card) -> None:
    unet = tiny.native(card, tiny.config(card)).unet
    fast = copy.deepcopy(unet)
    speed_up(fast)
    kinds = {type(module) for module in fast.modules()}
    assert {OneDnnLinear, Remembering} <= kinds
    assert nn.Linear not in kinds
    rng = torch.Generator().manual_seed(0)
    x, t = torch.randn(2, 16, 8, 8, generator=rng), torch.tensor(500)
    with torch.inference_mode():
        for _ in range(2):
            text = torch.randn(2, tiny.TEXT_LENGTH, tiny.TEXT_WIDTH, generator=rng)
            for _ in range(2):
                expected = unet(x, t, text).sample
                torch.testing.assert_close(fast(x, t, text).sample, expected, rtol=0, atol=1e-5)


def test_prompts_are_projected_once_for_all_steps(card: Card) -> None:
    model = tiny.model(card, tiny.config(card, num_inference_steps=5))
    calls = []
    remembering = [m for m in model.pipe.unet.modules() if isinstance(m, Remembering)]
    assert remembering
    for one in remembering:
        one.module.register_forward_hook(lambda *_: calls.append(1))
    model.generate(tiny.batch())
    assert len(calls) == len(remembering)
    model.generate(tiny.batch())
    assert len(calls) == 2 * len(remembering)


def test_another_prompt_is_not_answered_from_memory(card: Card) -> None:
    model = tiny.model(card, tiny.config(card))
    first = model.generate(tiny.batch()).images
    other = model.generate(tiny.batch(("x", "y", "z", "a long one"))).images
    assert (first != other).any(axis=(1, 2, 3)).all()
    assert (model.generate(tiny.batch()).images == first).all()


def test_freed_memory_stays_where_the_c_library_can() -> None:
    assert keep_freed_memory() in (True, False)
    keep_freed_memory()
    x = torch.randn(64, 64, 448)
    torch.nn.functional.silu(x)
    resource = pytest.importorskip("resource")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        torch.nn.functional.silu(x)
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    pages = 10 * x.nbytes // 4096
    assert not keep_freed_memory() or faults < pages / 4
