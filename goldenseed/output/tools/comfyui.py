"""A workflow for ComfyUI: one branch per seed, each with a batch of one image."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from goldenseed.output.tools.base import (
    Guide,
    Use,
    added_notes,
    cfg_scale,
    refuse_added,
    steps_words,
)
from goldenseed.output.tools.samplers import sampler_names
from goldenseed.steps.seed_lists.origin import Origin
from pipeline.errors import ConfigError

NODES_FILE = Path(__file__).with_name("comfyui_nodes.json")


@dataclass
class Graph:
    """A workflow in the form that ComfyUI's server takes.

    Attributes:
        nodes: Id -> class and inputs; an input is a value, or a link to another node's output.
    """

    nodes: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add(self, kind: str, inputs: Mapping[str, Any]) -> str:
        """Add a node and return its id."""
        name = str(len(self.nodes) + 1)
        values = {key: list(v) if isinstance(v, tuple) else v for key, v in inputs.items()}
        self.nodes[name] = {"class_type": kind, "inputs": values}
        return name


def guide(use: Use) -> Guide:
    """Write the workflow.

    Raises:
        ConfigError: If ComfyUI has no such sampler, or the model is more than a checkpoint.
    """
    origin = use.origin
    _refuse_sampler(origin)
    refuse_added(origin, "workflow")
    graph = workflow_graph(use)
    workflow = editor_form(graph)
    cpu = origin.noise == "torch-cpu"
    return Guide(
        json.dumps(workflow, indent=1, ensure_ascii=False),
        "the same" if cpu else "another: the node KSampler draws on the CPU",
        steps_words(
            origin, "another: a new generator on the device that draws, seeded with the seed"
        ),
        tuple(_notes(origin)),
        {"workflow": workflow, "prompt": graph.nodes},
    )


def _refuse_sampler(origin: Origin) -> None:
    """Refuse what the node KSampler cannot draw: its sampler ddim is Euler, without step noise."""
    missing = ""
    if not sampler_names(origin).comfyui:
        missing = f"no sampler that is diffusers' {origin.scheduler}"
    elif origin.eta:
        missing = f"no eta, and these seeds were drawn with eta {origin.eta:g}"
    if missing:
        raise ConfigError(
            f"ComfyUI's node KSampler has {missing}; rank seeds with another scheduler (Euler, "
            f"DDIM with eta 0, DPM++ 2M), or use --for diffusers"
        )


def _notes(origin: Origin) -> Iterator[str]:
    yield "Save the workflow as a .json file and open it in ComfyUI."
    yield f"Choose your file of the model {origin.repo or origin.card} in the node Load Checkpoint."
    yield "Each seed has a batch of 1: the second image of a batch has no seed of its own there."
    if origin.scheduler.startswith("FlowMatch"):
        yield (
            "ComfyUI loads most models of this kind from several files: open its own template of "
            "the model, and copy seeds, steps, sampler and size from here. If guidance is an input "
            "of the model, as in Flux, it belongs into the node FluxGuidance, and cfg is 1."
        )
    if origin.noise != "torch-cpu":
        yield "For noise as GPUs draw it, a custom node is needed, for example smZNodes (RNG: nv)."
    yield from added_notes(origin)
    if origin.demonstration:
        yield (
            f"{origin.card} is a small model of goldenseed, which ComfyUI cannot load: this "
            f"workflow shows the form."
        )


def workflow_graph(use: Use) -> Graph:
    """Build the workflow: model, texts and size once; sampler, decoder and file for each seed."""
    graph, origin = Graph(), use.origin
    names, (width, height) = sampler_names(origin), origin.size
    name = (origin.repo or origin.card).rpartition("/")[2]
    model = graph.add("CheckpointLoaderSimple", {"ckpt_name": f"{name}.safetensors"})
    positive, negative = (
        graph.add("CLIPTextEncode", {"text": _unweighted(text), "clip": (model, 1)})
        for text in (use.prompt, origin.negative_prompt)
    )
    size = {"width": width, "height": height, "batch_size": 1}
    latents = graph.add("EmptyLatentImage", size)
    for seed in use.seeds:
        inputs = {
            "seed": seed,
            "steps": origin.steps,
            "cfg": cfg_scale(origin),
            "sampler_name": names.comfyui,
            "scheduler": names.spacing,
            "denoise": 1.0,
            "model": (model, 0),
            "positive": (positive, 0),
            "negative": (negative, 0),
            "latent_image": (latents, 0),
        }
        sampled = graph.add("KSampler", inputs)
        decoded = graph.add("VAEDecode", {"samples": (sampled, 0), "vae": (model, 2)})
        graph.add("SaveImage", {"images": (decoded, 0), "filename_prefix": f"seed-{seed}"})
    return graph


def _unweighted(prompt: str) -> str:
    """Escape brackets, which would weight words: `escape_important` in comfy/sd1_clip.py."""
    return re.sub(r"([()])", r"\\\1", prompt)


def _without_choices(prompt: str) -> str:
    """Escape braces, of which the editor draws one part: `processDynamicPrompt` in its source."""
    return re.sub(r"([{}])", r"\\\1", prompt)


@cache
def node_schema() -> dict[str, Any]:
    """Read the inputs and outputs of the nodes, from ComfyUI's source; see the file."""
    nodes: dict[str, Any] = json.loads(NODES_FILE.read_text(encoding="utf-8"))["nodes"]
    return nodes


def editor_form(graph: Graph) -> dict[str, Any]:
    """Write a graph in the form that ComfyUI's editor saves and opens.

    Only this form holds what a seed does after a run: `fixed`, where the editor's default would
    draw a new seed.
    """
    links: list[list[Any]] = []
    nodes = [_editor_node(name, node, links) for name, node in graph.nodes.items()]
    by_id = {node["id"]: node for node in nodes}
    for number, source, output, *_ in links:
        by_id[source]["outputs"][output]["links"].append(number)
    return {
        "last_node_id": len(nodes),
        "last_link_id": len(links),
        "nodes": nodes,
        "links": links,
        "groups": [],
        "config": {},
        "extra": {},
        "version": 0.4,
    }


def _editor_node(name: str, node: Mapping[str, Any], links: list[list[Any]]) -> dict[str, Any]:
    """Write one node, and add its incoming links: [id, from, output, to, input, type]."""
    schema = node_schema()[node["class_type"]]
    inputs: list[dict[str, Any]] = []
    widgets: list[Any] = []
    for key, kind in schema["inputs"].items():
        value = node["inputs"][key]
        if isinstance(value, list):
            links.append(
                [len(links) + 1, int(value[0]), value[1], int(name), len(inputs), kind["type"]]
            )
            inputs.append({"name": key, "type": kind["type"], "link": len(links)})
        elif kind.get("control_after_generate"):
            widgets += [value, "fixed"]
        else:
            widgets.append(_without_choices(value) if kind.get("dynamic_prompts") else value)
    column, row = divmod(int(name) - 1, 4)
    return {
        "id": int(name),
        "type": node["class_type"],
        "pos": [60 + 420 * column, 60 + 260 * row],
        "size": [320, 200],
        "flags": {},
        "order": int(name) - 1,
        "mode": 0,
        "inputs": inputs,
        "outputs": [
            {"name": kind, "type": kind, "links": [], "slot_index": index}
            for index, kind in enumerate(schema["outputs"])
        ],
        "properties": {"Node name for S&R": node["class_type"]},
        "widgets_values": widgets,
    }
