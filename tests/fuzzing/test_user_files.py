"""Files that users write or get before a run: recipes, cards, prompts, images, weights."""

import hashlib
import io
import json
import warnings
from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin
from safetensors.numpy import save

from analysis.extraction.images import decode_image
from pipeline import registry
from pipeline.cards.card import find_card
from pipeline.cards.facts.checkpoint_file import file_facts
from pipeline.cards.facts.fact import Facts
from pipeline.cards.facts.folder import folder_facts
from pipeline.imported.listing import read_listing
from pipeline.imported.origin import NOISE_CHUNK, OriginReader
from pipeline.imported.skipped import Skipped
from pipeline.prompts.conditions import Conditions
from pipeline.prompts.image_files import FORMATS, decode_image_file
from pipeline.prompts.prompt_sets import read_prompts
from pipeline.settings.recipe import load_recipe
from tests.fuzzing.mutations import changed, documents_like, files_like
from tests.fuzzing.parsing import parse
from tests.profiles import examples

RECIPE = {
    "card": "seedling-mini",
    "prompts": {"source": "seedling", "count": 4, "chosen": []},
    "seeds": {"start": 0, "count": 4},
    "tile": {"seeds": 2, "prompts": 2},
    "sampling": {"num_inference_steps": 2, "intervention": {"name": "none", "parameters": {}}},
    "arms": {"a": {"guidance_scale": 2.0}},
    "features": ["appearance"],
    "metrics": ["brightness"],
    "ranking": {"metric": "brightness"},
}
CARD = {
    "family": "stable_diffusion",
    "path": "weights",
    "scheduler": "DDIMScheduler",
    "scheduler_config": {"prediction_type": "epsilon"},
    "num_inference_steps": 2,
    "guidance_scale": 3.0,
    "height": 64,
    "width": 64,
    "licence": "mine",
    "loras": [{"path": "a.safetensors", "scale": 1.0}],
}
ROWS = [{"prompt": "a horse", "category": "x", "set": 1, "negative": "red"}, {"text": "a\tbowl"}]
SETTINGS = {"name": "a", "settings": {"steps": 3}, "prompt": "a horse", "seed": 7}
A1111 = "a horse\nNegative prompt: b\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 7, Size: 8x8"


@pytest.fixture(autouse=True)
def _no_own_code() -> None:
    """Names of classes in these files must not be imported."""
    registry.allow_code(allowed=False)


@pytest.fixture(scope="module", autouse=True)
def _own_code_again() -> Iterator[None]:
    yield
    registry.allow_code()


def image(kind: str, size: int = 24) -> bytes:
    """An image with metadata of several programs."""
    pixels = np.random.default_rng(0).integers(0, 255, (size, size, 3), np.uint8)
    buffer, chunks = io.BytesIO(), PngImagePlugin.PngInfo()
    chunks.add_text(NOISE_CHUNK, json.dumps(SETTINGS))
    chunks.add_text("parameters", A1111, zip=True)
    chunks.add_itxt("prompt", json.dumps({"3": {"class_type": "KSampler", "inputs": {"seed": 7}}}))
    exif = Image.Exif()
    exif[0x9286] = A1111
    more = {"pnginfo": chunks} if kind == "PNG" else {"exif": exif}
    Image.fromarray(pixels).save(buffer, kind, **more)
    return buffer.getvalue()


def parquet(rows: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(rows, buffer)
    return buffer.getvalue()


def array() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.ones(5, np.float32))
    return buffer.getvalue()


SAMPLES: Mapping[str, bytes] = {
    ".jsonl": "\n".join(map(json.dumps, ROWS)).encode(),
    ".json": json.dumps({"prompts": ROWS}).encode(),
    ".csv": 'prompt,category\n"a ""red"" horse",x\na bowl,y\n'.encode("utf-8-sig"),
    ".tsv": b"prompt\tcategory\na horse\tx\n",
    ".txt": "a horse\nein Löffel\n".encode(),
    ".parquet": parquet(pa.table({"prompt": ["a horse", None], "category": ["x", "y"]})),
}


@pytest.mark.parametrize("suffix", SAMPLES)
@examples(40)
@given(data=st.data())
def test_prompt_files(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / f"prompts{suffix}"
    near = {".jsonl": ROWS[0], ".json": {"prompts": ROWS}}.get(suffix)
    path.write_bytes(data.draw(documents_like(near) if near else files_like(SAMPLES[suffix])))
    parse(lambda: read_prompts(path))


@pytest.mark.parametrize("sample", [RECIPE, CARD], ids=["recipe", "card"])
@examples(75)
@given(data=st.data())
def test_recipes_and_cards(
    tmp_path_factory: pytest.TempPathFactory, sample: dict[str, object], data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / "settings.yaml"
    text = yaml.safe_dump(sample).encode()
    dumped = changed(sample).map(lambda fields: yaml.safe_dump(fields).encode(errors="replace"))
    path.write_bytes(data.draw(dumped | dumped | files_like(text) | documents_like(sample)))
    if sample is CARD:
        parse(lambda: find_card(str(path)))
    else:
        parse(lambda: [part.own_card() for part in load_recipe(str(path)).by_card()])


@pytest.mark.parametrize("kind", FORMATS)
@examples(60)
@given(data=st.data())
def test_images_and_what_they_say(kind: str, data: st.DataObject) -> None:
    content = data.draw(files_like(image(kind)))
    parse(lambda: decode_image_file(content))
    parse(lambda: decode_image(content, height=24, width=24))
    parse(lambda: _origin(content))


def _origin(content: bytes) -> object:
    """What `goldenseed import` reads of an image that it could decode."""
    decode_image_file(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return OriginReader().read(Image.open(io.BytesIO(content), formats=FORMATS), "a_seed_1.png")


@examples(75)
@given(texts=st.fixed_dictionaries({}, optional={
    NOISE_CHUNK: documents_like(SETTINGS),
    "parameters": files_like(A1111.encode()),
    "prompt": documents_like({"3": {"class_type": "KSampler", "inputs": {"seed": 7}}}),
    "Comment": documents_like({"prompt": "a", "seed": 7, "steps": 3}),
    "invokeai_metadata": documents_like({"app_version": "4", "seed": 7, "positive_prompt": "a"}),
}))  # fmt: skip
def test_metadata_of_other_programs(texts: dict[str, bytes]) -> None:
    picture = Image.new("RGB", (24, 24))
    picture.info |= {name: text.decode(errors="replace") for name, text in texts.items()}
    picture.format = "PNG"
    parse(lambda: OriginReader().read(picture, "a_seed_1.png"))


@examples(40)
@given(data=st.data())
def test_tables_of_images(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.getbasetemp() / "images.csv"
    path.write_bytes(
        data.draw(files_like(b"file,prompt,seed,steps\na.png,a horse,7,20\n../b,c,8,\n"))
    )
    parse(lambda: read_listing(path, Skipped()))


@pytest.mark.parametrize("sample", [array(), image("PNG")], ids=["numbers", "image"])
@examples(40)
@given(data=st.data())
def test_condition_images(
    tmp_path_factory: pytest.TempPathFactory, sample: bytes, data: st.DataObject
) -> None:
    folder, content = tmp_path_factory.getbasetemp(), data.draw(files_like(sample))
    name = hashlib.sha256(content).hexdigest()
    (folder / name).write_bytes(content)
    parse(lambda: Conditions(folder)[name])
    (folder / name).unlink()


@examples(50)
@given(data=st.data())
def test_checkpoints_of_one_file(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / "model.safetensors"
    names = ("model.diffusion_model.input_blocks.0.0.weight", "conditioner.embedders.0.a")
    whole = save(
        {n: np.zeros((2, 3), np.float16) for n in names}, {"modelspec.prediction_type": "v"}
    )
    size = int.from_bytes(whole[:8], "little")
    header = documents_like(json.loads(whole[8 : 8 + size]))
    near = header.map(lambda text: len(text).to_bytes(8, "little") + text + whole[8 + size :])
    path.write_bytes(data.draw(near | near | files_like(whole)))
    parse(lambda: file_facts(path))


READ: Mapping[str, object] = {
    "model_index.json": {"_class_name": "StableDiffusionPipeline", "unet": ["diffusers", "A"]},
    "unet/config.json": {"_class_name": "UNet2DConditionModel", "sample_size": 8, "in_channels": 4},
    "scheduler/scheduler_config.json": {"_class_name": "DDIMScheduler", "prediction_type": "v"},
}


@pytest.mark.parametrize("name", READ)
@examples(30)
@given(data=st.data())
def test_folders_of_models(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject
) -> None:
    folder = tmp_path_factory.getbasetemp() / "model"
    for file, fields in READ.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(json.dumps(fields).encode())
    (folder / "unet/diffusion_pytorch_model.safetensors").write_bytes(save({"a": np.zeros(2)}))
    (folder / name).write_bytes(data.draw(documents_like(READ[name])))
    parse(lambda: folder_facts(folder, Facts()))
