"""Test publishing replicates: only their own networks are written, and their card reads them."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from diffusers import StableDiffusionPipeline
from safetensors.torch import load_file, save_file

from pipeline.cards.card import Card, find_card, load_cards, resolve
from pipeline.cards.checkpoints import PROJECT_ROOT
from pipeline.errors import ModelError
from pipeline.interventions.base import Intervention
from pipeline.models.stable_diffusion import StableDiffusion
from seedling.learning.loop import snapshot_path
from seedling.learning.relatives import load_networks, publish
from seedling.measure import evaluate, seed_naming
from seedling.measure.drawing import draw, load_pipe, load_shipped
from seedling.networks.model import VARIANTS
from seedling.networks.text_to_image import Networks
from seedling.publish import (
    FOLDER,
    card_of_step,
    main,
    own_parts,
    publish_step,
    publish_trained,
    refuse_other_scale,
)
from seedling.randomness import make_generator
from tests.pipeline import tiny

REPLICATES = ("seedling-mini-b", "seedling-mini-c")
OWN = {"unet", "text_encoder"}
SCALE = 0.2517
"""Scale factor of the shipped autoencoder's latents."""


@pytest.fixture(scope="module")
def networks() -> Networks:
    """The shipped networks with slightly changed weights, like those of another training."""
    moved, generator = load_networks(FOLDER), make_generator(1)
    for network, far in ((moved.unet, 0.02), (moved.text_encoder, 0.2)):
        for value in network.state_dict().values():
            if value.is_floating_point():
                value += far * torch.randn(value.shape, generator=generator)
    return moved


@pytest.fixture(scope="module")
def trained(networks: Networks, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint folder with both replicates' checkpoints and the pool."""
    folder = tmp_path_factory.mktemp("checkpoints")
    averages = {
        "unet": networks.unet.state_dict(),
        "text": networks.text_encoder.state_dict(),
    }
    for name in REPLICATES:
        torch.save({"averages": averages}, folder / f"{name}.pt")
    write_pool(folder, SCALE)
    return folder


def write_pool(folder: Path, scale: float) -> None:
    latents = torch.randn(64, 16, 8, 8, generator=make_generator(2))
    save_file({"latents": latents / latents.std() / scale}, folder / "pool.safetensors")


def card_of(folder: Path, shipped: Card, parts: set[str] = OWN) -> Card:
    """Write a shipped card whose parts are read from another folder."""
    fields = shipped.model_dump(mode="json", exclude={"name"})
    fields["parts"] = {
        name: part | {"path": str(folder)}
        for name, part in fields["parts"].items()
        if name in parts
    }
    path = folder.with_name(f"{'-'.join(sorted(parts))}.yaml")
    path.write_text(yaml.safe_dump(fields))
    return find_card(str(path))


@pytest.fixture(scope="module")
def out(trained: Path) -> Path:
    folder = trained / "out" / "seedling-mini-b"
    folder.parent.mkdir()
    publish_trained("seedling-mini-b", folder=trained, out=folder)
    return folder


@pytest.mark.parametrize("name", REPLICATES)
def test_a_replicate_differs_only_in_weights_and_data(name: str) -> None:
    card, mini = load_cards()[name], load_cards()["seedling-mini"]
    different = {"name", "note", "parts"}
    assert card.model_dump(exclude=different) == mini.model_dump(exclude=different)
    assert {(p.component, p.subfolder) for p in card.parts.values()} == {(n, n) for n in OWN}
    assert {p.path for p in card.parts.values()} == {f"seedling/weights/{name}"}
    replicate, other = VARIANTS[name], VARIANTS["seedling-mini"]
    assert replicate.seed != other.seed
    assert (replicate.channels, replicate.beta_end) == (other.channels, other.beta_end)
    assert replicate.scale_shift == other.scale_shift


@pytest.mark.parametrize("name", REPLICATES)
def test_only_its_own_parts_are_written(
    name: str, networks: Networks, trained: Path, tmp_path: Path
) -> None:
    folder = tmp_path / name
    publish_trained(name, folder=trained, out=folder)
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    weights = {"unet/diffusion_pytorch_model.safetensors", "text_encoder/model.safetensors"}
    assert files == weights | {"unet/config.json", "text_encoder/config.json"}
    assert sum((folder / file).stat().st_size for file in files) < 5 * 2**20
    for file, network in zip(sorted(weights), (networks.text_encoder, networks.unet), strict=True):
        expected = {key: value.half() for key, value in network.state_dict().items()}
        written = load_file(folder / file)
        assert all(torch.equal(value, expected[key]) for key, value in written.items())
    assert {path.name for path in tmp_path.iterdir()} == {name}, "nothing is left beside it"


def test_a_model_that_ships_whole_has_no_parts(networks: Networks) -> None:
    assert own_parts("seedling-mini", networks) == {}
    assert set(own_parts("seedling-mini-b", networks)) == OWN


def test_latents_of_another_scale_are_refused(trained: Path, tmp_path: Path) -> None:
    shutil.copy(trained / "seedling-mini-b.pt", tmp_path)
    write_pool(tmp_path, 1.02 * SCALE)
    with pytest.raises(ModelError, match=r"scale factor 0\.2567, but .*says 0\.2517"):
        publish_trained("seedling-mini-b", folder=tmp_path, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    refuse_other_scale("seedling-mini-b", SCALE)


def native(networks: Networks, parts: set[str]) -> Any:  # noqa: ANN401 - diffusers is untyped
    """Draw with diffusers' own pipeline and some networks replaced."""
    pipe = load_pipe()
    for name in parts:
        pipe.register_modules(**{name: getattr(networks, name)})
    return draw(pipe, list(tiny.PROMPTS), list(tiny.SEEDS), steps=3)


@pytest.fixture(scope="module")
def halved(networks: Networks, out: Path) -> Networks:
    """The networks rounded to fp16."""
    rounded = load_networks(FOLDER)
    rounded.unet.load_state_dict(load_file(out / "unet" / "diffusion_pytorch_model.safetensors"))
    rounded.text_encoder.load_state_dict(load_file(out / "text_encoder" / "model.safetensors"))
    return rounded


def by_family(card: Card) -> torch.Tensor:
    model = StableDiffusion(card, resolve(card), tiny.config(card), Intervention({}))
    return torch.from_numpy(model.generate(tiny.batch()).images).permute(0, 3, 1, 2) / 255


def by_shipped(card: Card, folder: Path) -> torch.Tensor:
    pipe = load_shipped(str(folder / f"{card.name}.yaml"))
    assert type(pipe) is StableDiffusionPipeline
    return draw(pipe, list(tiny.PROMPTS), list(tiny.SEEDS), steps=3)


@pytest.mark.parametrize(
    "parts", [OWN, {"unet"}, {"text_encoder"}], ids=lambda parts: "-".join(sorted(parts))
)
def test_each_part_takes_its_networks_place(out: Path, halved: Networks, parts: set[str]) -> None:
    card = card_of(out, load_cards()["seedling-mini-b"], parts)
    expected = native(halved, parts)
    torch.testing.assert_close(by_family(card), expected, atol=1.5 / 255, rtol=0)
    torch.testing.assert_close(by_shipped(card, out.parent), expected, atol=1e-4, rtol=0)
    alternatives = [
        native(halved, replaced)
        for replaced in (OWN, {"unet"}, {"text_encoder"})
        if replaced != parts
    ]
    assert all(float((expected - other).abs().max()) > 0.05 for other in alternatives)


def test_a_run_knows_which_text_encoder_it_is(out: Path, halved: Networks, tmp_path: Path) -> None:
    shutil.copytree(out, tmp_path / "b")
    card = card_of(tmp_path / "b", load_cards()["seedling-mini-b"])
    parts = {"unet": halved.unet, "text_encoder": halved.text_encoder}
    publish(parts, tmp_path / "b")
    before = resolve(card).sha256
    publish(parts, tmp_path / "b")
    assert resolve(card).sha256 == before
    publish(parts | {"text_encoder": load_networks(FOLDER).text_encoder}, tmp_path / "b")
    assert resolve(card).sha256 != before
    shutil.rmtree(tmp_path / "b" / "text_encoder")
    with pytest.raises(ModelError, match="text_encoder does not load"):
        by_family(card)


def test_written_files_contain_no_local_path(tmp_path: Path) -> None:
    read = load_networks(FOLDER)
    assert str(FOLDER) in str(read.unet.config["_name_or_path"]), "else this test sees nothing"
    publish({"unet": read.unet, "text_encoder": read.text_encoder}, tmp_path / "out")
    texts = [path.read_text() for path in (tmp_path / "out").rglob("*.json")]
    assert len(texts) == 2
    assert not any(str(FOLDER.parent) in text for text in texts)
    assert str(FOLDER) in str(read.unet.config["_name_or_path"]), "the caller's network stays"


def test_a_step_of_the_training_is_drawn_by_the_card_beside_it(
    networks: Networks, trained: Path, tmp_path: Path
) -> None:
    averages = {"unet": networks.unet.state_dict(), "text": networks.text_encoder.state_dict()}
    torch.save(averages, snapshot_path("seedling-mini", 2000, trained))
    out = tmp_path / "halfway"
    publish_step("seedling-mini", 2000, folder=trained, out=out)
    card = find_card(str(tmp_path / "halfway.yaml"))
    finished = load_cards()["seedling-mini"]
    assert card.name == "halfway"
    different = {"name", "note", "parts"}
    assert card.model_dump(exclude=different) == finished.model_dump(exclude=different)
    halved = load_networks(FOLDER)
    for name in OWN:
        state = getattr(networks, name).state_dict()
        getattr(halved, name).load_state_dict({key: value.half() for key, value in state.items()})
    drawn = by_family(card)
    torch.testing.assert_close(drawn, native(halved, OWN), atol=1.5 / 255, rtol=0)
    assert float((drawn - native(halved, set())).abs().max()) > 0.05


def test_a_step_on_latents_of_another_scale_is_refused(networks: Networks, tmp_path: Path) -> None:
    averages = {"unet": networks.unet.state_dict(), "text": networks.text_encoder.state_dict()}
    torch.save(averages, snapshot_path("seedling-mini", 2000, tmp_path))
    write_pool(tmp_path, 1.02 * SCALE)
    with pytest.raises(ModelError, match="scale factor"):
        publish_step("seedling-mini", 2000, folder=tmp_path, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_published_card_contains_no_local_path() -> None:
    inside = PROJECT_ROOT / "checkpoints" / "seedling-mini-step-000007"
    card = card_of_step(load_cards()["seedling-mini"], 7, inside)
    assert {part.path for part in card.parts.values()} == {"checkpoints/seedling-mini-step-000007"}


def test_a_step_that_was_not_kept_is_refused(
    trained: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["publish", "--model", "seedling-mini-c", "--step", "5", "--folder", str(trained)]
    monkeypatch.setattr("sys.argv", argv)
    with pytest.raises(SystemExit):
        main()
    assert "holds seedling-mini-c after no steps, not after 5" in capsys.readouterr().err


@pytest.mark.parametrize("run", [evaluate.main, seed_naming.main], ids=["evaluate", "seed_naming"])
def test_commands_read_a_model_by_its_card(
    run: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    models = []

    def stop(model: str) -> None:
        models.append(model)
        raise KeyboardInterrupt

    for module in (evaluate, seed_naming):
        monkeypatch.setattr(module, "load_shipped", stop)
    monkeypatch.setattr("sys.argv", ["x", "--model", "seedling-mini-b"])
    with pytest.raises(KeyboardInterrupt):
        run()
    assert models == ["seedling-mini-b"]
