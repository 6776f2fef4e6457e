"""Descriptions by a tiny LLaVA of the real class (random weights: its words mean nothing)."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import LlavaForConditionalGeneration, LlavaProcessor

from goldenseed.steps.describe import describe
from goldenseed.steps.steps import Workers
from pipeline.errors import ImageFileError, ModelError
from pipeline.prompts.image_files import list_image_files
from pipeline.prompts.making import dense
from pipeline.prompts.making.cards import find_describer, resolve_describer
from pipeline.prompts.prompt_sets import read_prompts
from tests.pipeline.prompts.making import tiny_llava

LOCAL = Workers("local")


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("llava")
    return tiny_llava.card(tiny_llava.checkpoint(folder / "weights"), folder / "tiny.yaml")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(11):
        pixels = np.random.default_rng(number).integers(0, 256, (40, 60, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


def test_words_are_those_of_transformers_own_call(
    card: Path, pictures: Path, tmp_path: Path
) -> None:
    found = describe(pictures, tmp_path / "d.jsonl", count=None, card=str(card), workers=LOCAL)
    prompts = {
        p.group.removeprefix("picture:"): p for p in read_prompts(tmp_path / "d.jsonl").prompts
    }
    assert found["pictures"] == 11
    assert found["prompts"] == len(prompts) == 11 - found["same_text"] - len(found["skipped"])
    assert len({p.text for p in prompts.values()}) > 5
    chosen = find_describer(str(card))
    folder = resolve_describer(chosen).folder
    model = LlavaForConditionalGeneration.from_pretrained(folder).eval()
    processor = LlavaProcessor.from_pretrained(folder)
    wrong = 0
    for name, prompt in prompts.items():
        own = native(model, processor, chosen.question, pictures / name)
        assert prompt.text == own
        wrong += prompt.text != native(model, processor, "USER: <image>\nOther", pictures / name)
    assert wrong > 0  # the question matters, so the comparison can fail


def native(model: object, processor: object, question: str, path: Path) -> str:
    """Transformers' own call, a picture at a time."""
    with Image.open(path) as image:
        inputs = processor(text=question, images=image, return_tensors="pt")  # type: ignore[operator]
    with torch.inference_mode():
        tokens = model.generate(**inputs, do_sample=False, max_new_tokens=12)  # type: ignore[attr-defined]
    new = tokens[0, inputs["input_ids"].shape[1] :]
    text = " ".join(processor.decode(new, skip_special_tokens=True).split())  # type: ignore[attr-defined]
    return text if 2 in new.tolist() else dense.whole_sentences(text)


def test_the_same_command_goes_on_and_a_larger_count_adds(
    card: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dense, "IMAGES_PER_TASK", 4)
    out, whole = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    answers, calls = dense._answers, []

    def stopping(*arguments: object) -> list[tuple[str, bool]]:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return answers(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(dense, "_answers", stopping)
    with pytest.raises(KeyboardInterrupt):
        describe(pictures, out, count=8, card=str(card), workers=LOCAL)
    assert not out.exists()
    describe(pictures, out, count=8, card=str(card), workers=LOCAL)
    assert len(calls) == 3  # one task of two was kept
    small = read_prompts(out).prompts
    describe(pictures, out, count=11, card=str(card), workers=LOCAL)
    assert len(calls) == 4
    describe(pictures, whole, count=11, card=str(card), workers=LOCAL)
    assert read_prompts(out).prompts == read_prompts(whole).prompts
    assert set(small) <= set(read_prompts(out).prompts)


def test_bad_pictures_are_rows_with_a_reason_or_refused(
    card: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("RGB", (1, 1)).save(pictures / "small.png")
    (pictures / "x.jpg").write_bytes(b"no picture")
    with pytest.raises(ImageFileError, match=r"2 of 13 images could not be used"):
        describe(pictures, tmp_path / "d.jsonl", count=None, card=str(card), workers=LOCAL)
    monkeypatch.setattr(dense, "MAX_SKIPPED", 0.5)
    describe(pictures, tmp_path / "d.jsonl", count=None, card=str(card), workers=LOCAL)
    about = json.loads((tmp_path / "d.json").read_text())
    assert sorted(row["name"] for row in about["skipped"]) == ["small.png", "x.jpg"]
    assert about["decoding"] == "greedy"
    assert len(about["sha256"]) == 64
    with pytest.raises(ImageFileError, match="99 are wanted"):
        dense.plan_tasks(pictures, list_image_files(pictures)[0], count=99)


def test_a_picture_that_cannot_be_read_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ImageFileError, match=r"cannot be read: .*gone\.png"):
        dense.plan_tasks(tmp_path, ["gone.png"])


def test_a_checkpoint_that_lacks_a_weight_is_refused(card: Path, tmp_path: Path) -> None:
    """Transformers would draw it at random, and describe."""
    folder = tmp_path / "weights"
    shutil.copytree(find_describer(str(card)).path, folder)
    stage = dense.DenseStage(tmp_path, tmp_path / "w", find_describer(str(card)), folder)
    stage.setup()  # the negative control: whole, it loads
    weights = load_file(folder / "model.safetensors")
    lost = next(name for name in weights if "mlp.up_proj" in name)
    del weights[lost]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match=r"lacks 1 weights of LLaVA 1\.5, .*mlp\.up_proj"):
        stage.setup()


def test_pickled_weights_and_missing_gpus_are_refused(card: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pickled"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "pytorch_model.bin").write_bytes(b"x")
    chosen = find_describer(str(card))
    with pytest.raises(ModelError, match=r"no \.safetensors file"):
        resolve_describer(chosen.model_copy(update={"path": str(folder)}))
    if not torch.cuda.is_available():
        wants = chosen.model_copy(update={"gpu": True})
        stage = dense.DenseStage(tmp_path, tmp_path / "w", wants, Path(chosen.path))
        with pytest.raises(ModelError, match="needs a CUDA GPU"):
            stage.setup()
