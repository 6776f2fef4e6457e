"""Seeds in other tools: what we write is read back by others, and draws the same images."""

import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, PngImagePlugin
from sd_parsers import ParserManager
from sd_parsers.data import PromptInfo

import goldenseed
from goldenseed.output.tools import TOOLS, Use, write_guide
from goldenseed.output.tools.comfyui import editor_form, node_schema, workflow_graph
from pipeline.errors import ConfigError
from seedling.measure.drawing import load_shipped
from tests.goldenseed.conftest import Call
from tests.goldenseed.tools.example_origin import PROMPT, SEEDS, origin


@pytest.fixture(scope="module")
def release(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of the finished run that lists three seeds."""
    (folder,) = (made / "run" / "releases").iterdir()
    document = json.loads((folder / "golden_seeds.json").read_text())
    document["seeds"] = [{"seed": seed} for seed in SEEDS]
    copy = tmp_path_factory.mktemp("release")
    (copy / "golden_seeds.json").write_text(json.dumps(document))
    return copy


def read_back(texts: Mapping[str, str]) -> PromptInfo:
    """Read the texts of a PNG as other programs' readers do."""
    info = PngImagePlugin.PngInfo()
    for name, text in texts.items():
        info.add_text(name, text)
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "PNG", pnginfo=info)
    file.seek(0)
    parsed = ParserManager().parse(file)
    assert parsed is not None
    return parsed


def test_infotext_is_read_back() -> None:
    use = Use(SEEDS, origin({"scheduler_config": {"use_karras_sigmas": True}}), PROMPT)
    parts = write_guide("a1111", use).parts
    for seed, text in zip(SEEDS, parts["infotexts"], strict=True):
        (sampler,) = read_back({"parameters": text}).samplers
        assert [prompt.value for prompt in sampler.prompts] == [PROMPT]
        assert [prompt.value for prompt in sampler.negative_prompts] == ["blurred"]
        assert (sampler.name, sampler.model and sampler.model.name) == ("Euler", "sd2")
        read = {key: str(value) for key, value in sampler.parameters.items()}
        assert read == {
            "seed": str(seed), "steps": "30", "cfg_scale": "7.5", "scheduler": "Karras",
        }  # fmt: skip
        assert "Size: 768x512" in text
        assert text.endswith("RNG: CPU")
    assert parts["xyz_plot"] == {"x_type": "Seed", "x_values": "5, 2, 7"}


def test_workflow_is_read_back() -> None:
    parts = write_guide("comfyui", Use(SEEDS, origin(), PROMPT)).parts
    texts = {name: json.dumps(parts[name]) for name in ("prompt", "workflow")}
    samplers = read_back(texts).samplers
    assert [sampler.parameters["seed"] for sampler in samplers] == list(SEEDS)
    for sampler in samplers:
        assert sampler.name == "euler"
        assert (sampler.parameters["steps"], sampler.parameters["cfg_scale"]) == (30, 7.5)
        assert [prompt.value for prompt in sampler.prompts] == [PROMPT]
        assert [prompt.value for prompt in sampler.negative_prompts] == ["blurred"]


def faults(nodes: Mapping[str, Any]) -> list[str]:
    """Check a workflow against the inputs and outputs of ComfyUI's nodes."""
    problems = []
    for name, node in nodes.items():
        schema = node_schema()[node["class_type"]]
        if set(schema["inputs"]) != set(node["inputs"]):
            problems.append(f"{name}: inputs {sorted(node['inputs'])}")
        for key, kind in schema["inputs"].items():
            if key in node["inputs"] and not fits(node["inputs"][key], kind, nodes):
                problems.append(f"{name}.{key}: {node['inputs'][key]}")
    return problems


def fits(value: object, kind: Mapping[str, Any], nodes: Mapping[str, Any]) -> bool:
    if isinstance(value, list):
        outputs = node_schema()[nodes[value[0]]["class_type"]]["outputs"]
        return bool(outputs[value[1]] == kind["type"])
    if isinstance(kind["type"], list):
        return value in kind["type"]
    types = {"INT": int, "FLOAT": float, "STRING": str, "FILE": str}
    if not isinstance(value, types[kind["type"]]):
        return False
    in_range = not isinstance(value, int | float) or kind["min"] <= value <= kind["max"]
    return in_range and (kind.get("step") is None or value % kind["step"] == 0)


def test_workflow_fits_comfyuis_nodes() -> None:
    graph = workflow_graph(Use(SEEDS, origin(), PROMPT))
    assert not faults(graph.nodes)
    broken = json.loads(json.dumps(graph.nodes))
    broken["5"]["inputs"] |= {"steps": 0, "positive": ["4", 0], "sampler_name": "ancestral"}
    assert len(faults(broken)) == 3


def test_the_editors_form_has_the_same_links_and_keeps_its_seeds() -> None:
    graph = workflow_graph(Use(SEEDS, origin(), PROMPT))
    workflow = editor_form(graph)
    ids = {node["id"]: node for node in workflow["nodes"]}
    for number, source, output, target, slot, kind in workflow["links"]:
        assert number in ids[source]["outputs"][output]["links"]
        assert ids[source]["outputs"][output]["type"] == kind
        read = ids[target]["inputs"][slot]
        assert (read["link"], read["type"]) == (number, kind)
        assert graph.nodes[str(target)]["inputs"][read["name"]] == [str(source), output]
    samplers = [node for node in workflow["nodes"] if node["type"] == "KSampler"]
    assert [node["widgets_values"][:2] for node in samplers] == [[seed, "fixed"] for seed in SEEDS]
    sizes = [node["widgets_values"] for node in workflow["nodes"] if "Latent" in node["type"]]
    assert sizes == [[768, 512, 1]]


@pytest.mark.parametrize("tool", TOOLS)
def test_each_tool_says_which_noise_is_the_same(tool: str) -> None:
    still = write_guide(tool, Use(SEEDS, origin(), PROMPT))
    assert "deterministic" in still.steps
    noisy = origin({"scheduler": "EulerAncestralDiscreteScheduler"})
    own = write_guide(tool, Use(SEEDS, noisy, PROMPT)).steps
    starts = {"comfyui": "another", "invokeai": "another", "drawthings": "not known"}
    assert own.startswith(starts.get(tool, "the same"))
    for seed in SEEDS:
        assert str(seed) in still.content


def test_the_script_draws_the_runs_images(
    made: Path, release: Path, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = goldenseed.open_run(made / "run")
    prompt = run.prompts[0].text
    code, script, err = call(
        "seeds", "--from", release, "--k", 2, "--for", "diffusers", "--prompt", prompt
    )
    assert code == 0
    assert "starting noise in diffusers: the same" in err
    monkeypatch.chdir(tmp_path)
    exec(compile(script, "script", "exec"), {})
    drawn = {seed: pixels(Image.open(tmp_path / f"seed-{seed}.png")) for seed in SEEDS[:2]}
    for seed in drawn:
        assert np.abs(drawn[seed] - pixels(run.image(prompt, seed))).max() <= 1
    assert np.abs(drawn[5] - pixels(run.image(prompt, 2))).max() > 20


def test_the_script_of_a_card_with_a_network_of_its_own_draws_that_network(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("--model", "seedling-turbo", "--k", 1, "--prompt", "a red horse")
    code, script, _ = call("seeds", *words, "--for", "diffusers")
    assert code == 0
    monkeypatch.chdir(tmp_path)
    drawn, plain = ({}, {})
    exec(compile(script, "script", "exec"), drawn)
    pipe = load_shipped("seedling-turbo")
    generator = torch.Generator().manual_seed(drawn["seeds"][0])
    expected = pipe("a red horse", num_inference_steps=1, guidance_scale=0, generator=generator)
    difference = np.abs(pixels(drawn["images"][0]) - pixels(expected.images[0]))
    assert difference.max() <= 1
    exec(compile(script.replace("unet=unet, ", ""), "script", "exec"), plain)
    assert np.abs(pixels(plain["images"][0]) - pixels(expected.images[0])).max() > 20


def pixels(image: Image.Image) -> np.ndarray[Any, Any]:
    return np.asarray(image, dtype=np.int16)


@pytest.fixture(scope="module")
def pipe() -> Any:  # noqa: ANN401 - diffusers is not typed
    from diffusers import DDIMScheduler, DiffusionPipeline

    pipe = DiffusionPipeline.from_pretrained("seedling/weights/seedling-mini", dtype=torch.float32)
    pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def test_two_lines_in_diffusers(made: Path, release: Path, pipe: Any) -> None:  # noqa: ANN401
    run = goldenseed.open_run(made / "run")
    prompt = run.prompts[0].text
    generators = goldenseed.generators(pipe, 2, source=release)
    images = pipe([prompt] * 2, generator=generators, num_inference_steps=2, guidance_scale=3.0)
    for seed, image in zip(SEEDS, images.images, strict=False):
        assert np.abs(pixels(image) - pixels(run.image(prompt, seed))).max() <= 1


def test_a_pipeline_of_another_kind_is_refused(release: Path, pipe: Any) -> None:  # noqa: ANN401
    from diffusers import EulerDiscreteScheduler

    own = pipe.scheduler
    with pytest.raises(ConfigError, match="64 x 64 pixels, and you draw 128 x 64"):
        goldenseed.generators(pipe, 2, source=release, width=128)
    pipe.scheduler = EulerDiscreteScheduler.from_config(own.config)
    try:
        with pytest.raises(ConfigError, match="DDIMScheduler, and yours is EulerDiscrete"):
            goldenseed.generators(pipe, 2, source=release)
    finally:
        pipe.scheduler = own


REFUSED: list[tuple[Callable[[Path], object], str]] = [
    (lambda list_of: goldenseed.generators("", 2), "name the model"),
    (lambda list_of: goldenseed.generators(None, 2, source=None), "name the model"),
    (lambda list_of: goldenseed.golden_seeds(""), "name the model"),
    (lambda list_of: goldenseed.golden_seeds("sd2", source=list_of), "model seedling-mini, and"),
    (lambda list_of: goldenseed.golden_seeds(list_of, 4), "lists 3 golden seeds, and 4"),
    (lambda list_of: goldenseed.golden_seeds(list_of, 0), "0 seeds are no list"),
    (lambda list_of: goldenseed.golden_seeds(list_of, height=128), "you draw 64 x 128"),
]


@pytest.mark.parametrize(("ask", "reason"), REFUSED)
def test_refused_in_words(release: Path, ask: Callable[[Path], object], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        ask(release)


def test_seeds_of_a_named_model(release: Path) -> None:
    assert goldenseed.golden_seeds("seedling-mini", 2, source=release) == [5, 2]
    assert goldenseed.golden_seeds("seedling/weights/seedling-mini", source=release) == [5, 2, 7]
    assert goldenseed.golden_seeds(str(release), width=64) == [5, 2, 7]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ([], "name the model"),
        (["--model", "seedling-mni"], "no list of seeds"),
        (["--from", "{release}", "--k", "9"], "lists 3 golden seeds"),
        (["--from", "{release}", "--for", "comfy"], "did you mean 'comfyui'"),
        (["--from", "{release}", "--diverse", "style"], "is no run"),
        (["--from", "{release}", "--where", "category=horse"], "is no run"),
        (["--from", "{run}", "--where", "colour=red"], "wanted FIELD=VALUE"),
        (["--from", "{run}", "--where", "category=unicorn"], "has the category 'unicorn'"),
        (["--from", "{run}", "--diverse", "stile"], "did you mean 'style'"),
        (["--from", "nowhere"], "nowhere/golden_seeds.json cannot be read"),
    ],
)
def test_bad_input_ends_with_2(
    call: Call, made: Path, release: Path, options: list[str], reason: str
) -> None:
    filled = [text.format(release=release, run=made / "run") for text in options]
    code, out, err = call("seeds", *filled)
    assert (code, out) == (2, "")
    assert reason in " ".join(err.split())
    assert "Traceback" not in err


def test_json_is_one_document(call: Call, release: Path) -> None:
    code, out, _ = call("seeds", "--from", release, "--for", "comfyui", "--json")
    document = json.loads(out)
    assert (code, document["seeds"], document["tool"]) == (0, [5, 2, 7], "comfyui")
    assert document["noise_spec"] == "torch-cpu-mt19937-normal-fp32/v1"
