"""Each name that we write for another tool is one of the tool's own, read in its source."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from goldenseed.output.tools import Use, write_guide
from goldenseed.output.tools.comfyui import node_schema
from goldenseed.output.tools.samplers import NAMES, sampler_names
from pipeline.cards.diffusers_source import arguments
from pipeline.errors import ConfigError
from tests.goldenseed.tools.example_origin import PROMPT, SEEDS, origin

PUBLISHED: dict[str, Any] = json.loads(
    Path(__file__).with_name("published_names.json").read_text(encoding="utf-8")
)
KARRAS = {"use_karras_sigmas": True}


def settings() -> Iterator[dict[str, object]]:
    """Each scheduler of the table, also with Karras' steps where diffusers has them."""
    for scheduler in NAMES:
        yield {"scheduler": scheduler}
        if KARRAS.keys() <= arguments("schedulers", scheduler, "__init__"):
            yield {"scheduler": scheduler, "scheduler_config": KARRAS}


def known(tool: str) -> list[str]:
    return list(PUBLISHED[tool]["samplers"]) if tool != "comfyui" else ksampler("sampler_name")


def ksampler(name: str) -> list[str]:
    return list(node_schema()["KSampler"]["inputs"][name]["type"])


def as_published(tool: str, name: str) -> str:
    """Draw Things' source writes its samplers without spaces and signs."""
    return name.replace("+", "P").replace(" ", "") if tool == "drawthings" else name


def unknown(tool: str, name: str) -> bool:
    return bool(name) and as_published(tool, name) not in known(tool)


@pytest.mark.parametrize("tool", ["a1111", "comfyui", "invokeai", "sdnext", "drawthings"])
def test_each_sampler_is_one_of_the_tools_own(tool: str) -> None:
    names = [getattr(sampler_names(origin(changes)), tool) for changes in settings()]
    assert [name for name in names if unknown(tool, name)] == []
    assert len(set(names)) >= 6, "an empty table would pass"
    assert unknown(tool, "DPM 2 Ancestral")  # diffusers' documentation calls it so


def test_the_spacings_of_comfyui_are_its_own() -> None:
    spacings = {sampler_names(origin(changes)).spacing for changes in settings()} - {""}
    assert spacings <= set(ksampler("scheduler"))
    assert "karras" in spacings
    assert "sgm" not in ksampler("scheduler")


def test_the_fields_of_the_infotext_are_those_that_a1111_reads() -> None:
    changes = {"scheduler": "DDIMScheduler", "eta": 0.5}
    text = write_guide("a1111", Use(SEEDS, origin(changes), PROMPT)).parts["infotexts"][0]
    fields = dict(pair.split(": ") for pair in text.splitlines()[-1].split(", "))
    assert fields.keys() <= set(PUBLISHED["a1111"]["infotext"])
    assert fields["Eta DDIM"] == "0.5"
    assert "Eta" not in fields  # A1111's eta of ancestral samplers
    assert "Karras" in PUBLISHED["a1111"]["schedule_types"]


def test_the_seed_modes_are_those_of_draw_things() -> None:
    text = write_guide("drawthings", Use(SEEDS, origin(), PROMPT)).content
    (mode,) = re.findall(r"Seed Mode: ([\w ]+)\.", text)
    modes = [each.casefold() for each in PUBLISHED["drawthings"]["seed_modes"]]
    assert mode.replace(" ", "").casefold() in modes
    assert "scalealike" in modes


@pytest.mark.parametrize("scheduler", ["HeunDiscreteScheduler", "DPMSolverMultistepScheduler"])
def test_a_sampler_that_draw_things_lacks_is_said(scheduler: str) -> None:
    lines = write_guide("drawthings", Use(SEEDS, origin({"scheduler": scheduler}), PROMPT)).content
    assert f"sampler there: none that is diffusers' {scheduler}" in lines
    own = {"scheduler": scheduler, "scheduler_config": KARRAS}
    lines = write_guide("drawthings", Use(SEEDS, origin(own), PROMPT)).content
    assert ("sampler there: DPM++ 2M Karras" in lines) == (scheduler != "HeunDiscreteScheduler")


def test_guidance_that_is_off_is_1_where_0_would_draw_the_negative_prompt() -> None:
    use = Use(SEEDS, origin({"guidance_scale": 0.0}), PROMPT)
    nodes = write_guide("comfyui", use).parts["prompt"].values()
    assert {node["inputs"]["cfg"] for node in nodes if node["class_type"] == "KSampler"} == {1.0}
    assert "CFG scale: 1," in write_guide("a1111", use).content
    assert "guidance scale there: 1 (off)" in write_guide("invokeai", use).content
    assert "guidance_scale=0.0" in write_guide("diffusers", use).content


@pytest.mark.parametrize(
    ("tool", "changes", "added", "reason"),
    [
        ("comfyui", {"scheduler": "DDIMScheduler", "eta": 0.5}, (), "KSampler has no eta"),
        ("comfyui", {"scheduler": "PNDMScheduler"}, (), "no sampler that is diffusers' PNDM"),
        ("comfyui", {}, ("loras",), "no workflow for these seeds: the card sd2 adds loras"),
        ("diffusers", {}, ("loras",), "no script for these seeds: the card sd2 adds loras"),
        ("a1111", {"intervention": {"name": "freeu"}}, (), "with the intervention freeu, which"),
    ],
)
def test_what_a_tool_cannot_draw_is_refused(
    tool: str, changes: dict[str, object], added: tuple[str, ...], reason: str
) -> None:
    with pytest.raises(ConfigError, match=reason):
        write_guide(tool, Use(SEEDS, origin(changes, added=added), PROMPT))
    assert write_guide(tool, Use(SEEDS, origin(), PROMPT)).content


def test_what_a_card_adds_is_said_where_it_is_set_by_hand() -> None:
    for tool in ("a1111", "invokeai", "sdnext", "drawthings"):
        use = Use(SEEDS, origin(added=("loras", "clip_skip")), PROMPT)
        assert any("adds loras, clip_skip" in note for note in write_guide(tool, use).notes)


def test_invokeai_says_that_it_has_no_eta() -> None:
    changes = {"scheduler": "DDIMScheduler", "eta": 0.5}
    assert "its eta is always 0" in write_guide("invokeai", Use(SEEDS, origin(changes), "x")).steps
    assert write_guide("sdnext", Use(SEEDS, origin(changes), "x")).steps.startswith("the same")


SIGNS = "a (red:1.3) fox [in {the|a}] \\wood"


def test_signs_that_weight_or_choose_words_stay_text() -> None:
    use = Use(SEEDS, origin(), SIGNS)
    parts = write_guide("comfyui", use).parts
    sent = parts["prompt"]["2"]["inputs"]["text"]
    assert sent == "a \\(red:1.3\\) fox [in {the|a}] \\wood"
    (shown,) = parts["workflow"]["nodes"][1]["widgets_values"]
    assert shown == "a \\(red:1.3\\) fox [in \\{the|a\\}] \\wood"
    text = write_guide("a1111", use).parts["infotexts"][0].splitlines()[0]
    assert text == "a \\(red:1.3\\) fox \\[in {the|a}\\] \\\\wood"


def test_a_prompt_of_several_lines_is_one_line_in_the_infotext() -> None:
    use = Use(SEEDS, origin(), "a fox\nNegative prompt: dogs\nSteps: 1, Seed: 9, Size: 1x1")
    lines = write_guide("a1111", use).parts["infotexts"][0].splitlines()
    assert lines[0] == "a fox Negative prompt: dogs Steps: 1, Seed: 9, Size: 1x1"
    assert lines[1] == "Negative prompt: blurred"
    assert lines[2].startswith("Steps: 30, Sampler: Euler")
    assert len(lines) == 3
