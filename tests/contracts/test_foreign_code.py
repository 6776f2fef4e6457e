"""No loader runs Python code that came with a model, whatever the environment says."""

import copy
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import transformers
from pydantic import ValidationError

import analysis.features.cards
from analysis.features import load_feature
from analysis.features.cards import FeatureCard
from analysis.features.towers import Towers
from pipeline.cards.card import Card, ResolvedCard, find_card, resolve
from pipeline.cards.card_parts import PipelineStage
from pipeline.cards.foreign_code import refuse_code_in
from pipeline.errors import ModelError
from pipeline.interventions.singdiffusion import SingDiffusion
from pipeline.models.networks import load_pipeline, load_stage
from pipeline.prompts.making.cards import find_describer, resolve_describer
from pipeline.prompts.making.dense import DenseStage
from tests.analysis.features import tiny_clip, tiny_gram
from tests.contracts.foreign_code import MODULE, edit, plant, write_module
from tests.contracts.tiny import CARDS
from tests.pipeline import tiny, tiny_pipelines, tiny_singdiffusion
from tests.pipeline.prompts.making import tiny_llava

FROM_FOLDERS = [name for name in CARDS if name != "inception"]  # inception reads tensors alone
REFUSED = r"\.json: its key (auto_map|trust_remote_code)"


@pytest.fixture(autouse=True)
def allowing_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that forbids nothing, with a cache of modules of its own."""
    monkeypatch.setenv("DIFFUSERS_DISABLE_REMOTE_CODE", "0")
    modules = str(tmp_path / "modules")
    monkeypatch.setattr(transformers.dynamic_module_utils, "HF_MODULES_CACHE", modules)
    monkeypatch.setattr("builtins.input", lambda *_: "y")  # what a library may ask


def clip_folder(folder: Path) -> tuple[FeatureCard, Path]:
    """A folder of open_clip whose settings of the tokenizer allow code; its card, its marker."""
    config: dict[str, Any] = copy.deepcopy(tiny_clip.CONFIG)
    kwargs = {"trust_remote_code": True}
    config["text_cfg"] |= {"hf_tokenizer_name": "a/b", "tokenizer_kwargs": kwargs}
    weights = tiny_clip.write_folder(folder / "clip", config=tiny_clip.CONFIG)
    edit(weights / "open_clip_config.json", model_cfg=config)
    (weights / "tokenizer_config.json").write_text('{"tokenizer_class": "Theirs"}')
    (weights / "config.json").write_text('{"model_type": "clip"}')
    marker = plant(weights)
    card = {"feature": "clip", "source": "test", "licence": "none", "path": str(weights)}
    return FeatureCard(**card), marker


def test_folder_of_open_clip_runs_no_code(tmp_path: Path) -> None:
    card, marker = clip_folder(tmp_path)
    with pytest.raises(ModelError, match=REFUSED):
        Towers(card)
    assert not marker.exists()


def test_the_trap_works_where_nothing_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control: without the check, open_clip imports the stranger's file."""
    card, marker = clip_folder(tmp_path)
    monkeypatch.setattr(analysis.features.cards, "refuse_code_in", lambda _folder: None)
    with suppress(Exception):  # the stranger's tokenizer need not work
        Towers(card)
    assert marker.exists()


@pytest.mark.parametrize("name", FROM_FOLDERS)
def test_cards_of_features(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "card"
    card = CARDS[name](folder)
    for config in folder.rglob("open_clip_config.json"):
        config.with_name("config.json").write_text('{"model_type": "clip"}')
    marker = plant(folder)
    with pytest.raises(ModelError, match=REFUSED):
        load_feature(f"{name}@{card}").setup()
    assert not marker.exists()


def test_a_card_whose_keys_allow_nothing_still_loads(tmp_path: Path) -> None:
    card = tiny_gram.write_card(tmp_path / "card")
    edit(tmp_path / "card" / "config.json", trust_remote_code=False, auto_map={})
    load_feature(f"gram@{card}").setup()


def test_architecture_of_a_feature_is_a_name(tmp_path: Path) -> None:
    card, marker = clip_folder(tmp_path)
    weights = next(Path(card.path).glob("*.safetensors"))
    options: dict[str, Any] = {"architecture": f"local-dir:{card.path}"}
    with pytest.raises(ModelError, match="architecture is 'local-dir:"):
        Towers(card.model_copy(update={"path": str(weights), "options": options}))
    assert not marker.exists()


@pytest.mark.parametrize("name", ["sdxl-base", "controlnet-canny", "ip-adapter", "kandinsky22"])
def test_model_cards_and_their_parts(name: str, tmp_path: Path) -> None:
    card = tiny_pipelines.checkpoint(tmp_path, find_card(name))
    honest = resolve(card)
    planted = [tmp_path / "parts" / part for part in card.parts] or [tmp_path]
    markers = [plant(folder) for folder in planted]
    with pytest.raises(ModelError, match=REFUSED):
        resolve(card)
    with pytest.raises(ModelError, match=REFUSED):
        load_all(card, honest)
    assert not any(marker.exists() for marker in markers)


def load_all(card: Card, resolved: ResolvedCard) -> None:
    """Load the pipelines of a card from folders that nothing has checked."""
    config, last = tiny.config(card), len(card.stages) - 1
    for index, stage in enumerate(card.stages):
        first = None
        load_stage(card, resolved, config, stage, first=first, last=index == last)


def test_components_in_a_python_file_of_the_folder(tmp_path: Path) -> None:
    card = tiny.checkpoint(tmp_path, find_card("seedling-mini"))
    resolved, marker = resolve(card), tmp_path / "marker"
    write_module(tmp_path / "unet" / f"{MODULE}.py", marker)
    edit(tmp_path / "model_index.json", unet=[MODULE, "Theirs"])
    for load in (
        lambda: resolve(card),
        lambda: load_pipeline(card, resolved, tiny.config(card), "StableDiffusionPipeline"),
    ):
        with pytest.raises(ModelError, match=r"model_index\.json: its key unet runs Python code"):
            load()
    assert not marker.exists()


def test_a_pipeline_in_a_python_file_of_the_folder(tmp_path: Path) -> None:
    card = tiny.checkpoint(tmp_path, find_card("seedling-mini"))
    edit(tmp_path / "model_index.json", _class_name=[MODULE, "Theirs"])
    with pytest.raises(ModelError, match=r"model_index\.json: its key _class_name"):
        resolve(card)


@pytest.mark.parametrize(
    "load",
    [
        {"trust_remote_code": True},
        {"trust_remote_code": "false"},
        {"custom_pipeline": "somebody/theirs"},
        {"use_safetensors": False},
        {"local_files_only": False},
    ],
)
def test_arguments_of_a_stage(load: dict[str, Any], tmp_path: Path) -> None:
    key = next(iter(load))
    with pytest.raises(ValidationError, match=f"may not contain {key}"):
        PipelineStage(pipeline="StableDiffusionPipeline", inputs={}, load=load)
    stage = PipelineStage(pipeline="StableDiffusionPipeline", inputs={})
    card = tiny.checkpoint(tmp_path, find_card("seedling-mini"))
    unchecked = stage.model_copy(update={"load": load})
    with pytest.raises(ModelError, match=f"`load` may not contain {key}"):
        load_stage(card, resolve(card), tiny.config(card), unchecked, first=None, last=True)


def test_a_custom_pipeline_of_a_stage_does_not_run(tmp_path: Path) -> None:
    card = tiny.checkpoint(tmp_path / "card", find_card("seedling-mini"))
    marker = tmp_path / "marker"
    write_module(tmp_path / "pipeline.py", marker)
    load = {"custom_pipeline": str(tmp_path / "pipeline.py"), "trust_remote_code": True}
    stage = PipelineStage.model_construct(
        pipeline="DiffusionPipeline", part="", inputs={}, load=load, shared=()
    )
    with pytest.raises(ModelError, match="may not contain trust_remote_code, custom_pipeline"):
        load_stage(card, resolve(card), tiny.config(card), stage, first=None, last=True)
    assert not marker.exists()


def test_folders_of_interventions(tmp_path: Path) -> None:
    module = SingDiffusion(tiny_singdiffusion.parameters(tmp_path))
    marker = plant(tmp_path / "text")
    with pytest.raises(ModelError, match=REFUSED):
        _ = module._text
    edit(tmp_path / "network" / "config.json", auto_map={"AutoModel": "theirs.Theirs"})
    with pytest.raises(ModelError, match=REFUSED):
        _ = module.network
    assert not marker.exists()


def test_describers(tmp_path: Path) -> None:
    folder = tiny_llava.checkpoint(tmp_path / "llava")
    card = find_describer(str(tiny_llava.card(folder, tmp_path / "card.yaml")))
    resolve_describer(card)
    marker = plant(folder)
    stage = DenseStage(tmp_path, tmp_path / "work", card, folder)
    for load in (lambda: resolve_describer(card), stage.setup):
        with pytest.raises(ModelError, match=REFUSED):
            load()
    assert not marker.exists()


def test_tokens_may_have_any_name(tmp_path: Path) -> None:
    for name in ("vocab.json", "tokenizer.json", "added_tokens.json", "a.safetensors.index.json"):
        (tmp_path / name).write_text('{"trust_remote_code": 7, "auto_map": 8}')
    refuse_code_in(tmp_path)
    (tmp_path / "config.json").write_text("[" * 100_000)
    with pytest.raises(ModelError, match="nested too deeply"):
        refuse_code_in(tmp_path)
