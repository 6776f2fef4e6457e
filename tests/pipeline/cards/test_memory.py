"""The memory that is expected follows the stated rule, and is chosen to fit."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.cards.card import load_cards
from pipeline.cards.facts.parameters import load_of
from pipeline.cards.memory import GIB, Load, Memory, fitting, need, usable
from tests.pipeline import tiny, tiny_files

SDXL = Load(
    {"unet": 2_567_463_684, "vae": 83_653_863, "text_encoder": 123_060_480,
     "text_encoder_2": 694_659_840},
    "bfloat16", 1024, 1024, 4, vae_factor=8, network_width=320, decoder_channels=256, guided=True,
)  # fmt: skip


def test_the_sum_is_that_of_the_rule() -> None:
    weights = 2 * sum(SDXL.parameters.values())
    decoding = 4 * 1024 * 1024 * 256 * 4 * 2
    assert need(SDXL, Memory()).total == weights + decoding + GIB
    sliced = need(SDXL, Memory(vae_slicing=True))
    assert sliced.activations == max(decoding // 4, 16 * 128 * 128 * 4 * 2 * 320 * 2)
    offloaded = need(SDXL, Memory(offload="model"))
    assert offloaded.weights == 2 * 2_567_463_684
    tiled = need(SDXL, Memory(vae_slicing=True, vae_tiling=True))
    assert tiled.activations == 16 * 128 * 128 * 4 * 2 * 320 * 2


@pytest.mark.parametrize(
    ("gib", "offload"), [(24, "none"), (12, "none"), (8, "model"), (3, "sequential")]
)
def test_what_is_chosen_fits(gib: int, offload: str) -> None:
    memory, batch = fitting(SDXL, usable(gib))
    chosen = Load(**{**vars(SDXL), "batch": batch})
    assert need(chosen, memory).total <= usable(gib) < gib * GIB
    assert memory.offload == offload
    assert 1 <= batch <= 4


@given(st.integers(1, 64), st.integers(1, 32))
def test_what_saves_memory_never_needs_more(gib: int, batch: int) -> None:
    load = Load(**{**vars(SDXL), "batch": batch})
    totals = [
        need(load, Memory(offload=offload, vae_slicing=sliced, vae_tiling=tiled)).total
        for offload, sliced, tiled in (
            ("none", False, False), ("none", True, False), ("none", True, True),
            ("model", True, True), ("sequential", True, True),
        )
    ]  # fmt: skip
    assert totals == sorted(totals, reverse=True)
    memory, fewer = fitting(load, gib * GIB)
    assert fewer <= batch
    assert (memory.offload == "sequential") or need(
        Load(**{**vars(load), "batch": fewer}), memory
    ).total <= gib * GIB


def test_parameters_are_counted_in_folders_and_files(tmp_path: Path) -> None:
    card = tiny.checkpoint(tmp_path / "folder", load_cards()["sd15"])
    file = tiny_files.save(Path(card.path), tmp_path / "x.safetensors")
    single = card.model_copy(update={"path": str(file), "config": card.path})
    size = {"height": 64, "width": 64, "batch": 1, "guided": True}
    first, second = load_of(card, **size), load_of(single, **size)
    assert first is not None
    assert second is not None
    pipe = tiny.native(card, tiny.config(card))
    for name in ("unet", "vae", "text_encoder"):
        count = sum(tensor.numel() for tensor in getattr(pipe, name).state_dict().values())
        assert first.parameters[name] == count
        assert second.parameters[{"unet": "main"}.get(name, name)] == count
    assert (first.network_width, first.decoder_channels) == (16, 8)
    assert load_of(load_cards()["sdxl-base"], **size) is None
