"""Reads signatures from the source of diffusers, without importing it.

Importing diffusers imports torch, which takes seconds; a plan has no use for either. The source
says the same: which scheduler classes exist, and which arguments their methods take.
"""

import ast
import importlib.util
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

CLASS = re.compile(r"^class (\w+)\(", re.MULTILINE)


@cache
def class_files(folder: str) -> dict[str, Path]:
    """Find the classes below a folder of diffusers.

    Args:
        folder: "schedulers" or "pipelines".

    Returns:
        Name of a class -> its file; empty if diffusers is not installed.
    """
    package = importlib.util.find_spec("diffusers")  # finds a package and does not import it
    roots = package.submodule_search_locations or [] if package else []
    files = [file for root in roots for file in sorted((Path(root) / folder).rglob("*.py"))]
    return {name: file for file in files for name in CLASS.findall(file.read_text("utf-8"))}


def scheduler_names() -> list[str]:
    """List the schedulers of diffusers; empty if it is not installed.

    Example:
        >>> "DDIMScheduler" in scheduler_names()
        True
    """
    return sorted(name for name in class_files("schedulers") if name.endswith("Scheduler"))


@cache
def arguments(folder: str, class_name: str, method: str) -> frozenset[str]:
    """List the arguments of a method, without `self`.

    Args:
        folder: "schedulers" or "pipelines".
        class_name: The class.
        method: Its method.

    Returns:
        The names; empty if the source does not show them, for example because the method is
        inherited.

    Example:
        >>> "eta" in arguments("schedulers", "DDIMScheduler", "step")
        True
    """
    found = _method(folder, class_name, method)
    return _names(found.args) if found else frozenset()


@cache
def defaults(folder: str, class_name: str, method: str) -> Mapping[str, Any]:
    """Give the defaults of a method's arguments, as far as they are plain values.

    Args:
        folder: "schedulers" or "pipelines".
        class_name: The class.
        method: Its method.

    Example:
        >>> defaults("pipelines", "StableDiffusionPipeline", "__call__")["guidance_scale"]
        7.5
    """
    found = _method(folder, class_name, method)
    if found is None:
        return {}
    values = found.args.defaults
    names = [argument.arg for argument in found.args.args][-len(values) :]
    pairs = zip(names, values, strict=False)  # without defaults, all names remain and no value
    return {name: value.value for name, value in pairs if isinstance(value, ast.Constant)}


@cache
def passes_generator(pipeline: str) -> bool:
    """Whether the call of a pipeline passes generators to the steps of its scheduler.

    Args:
        pipeline: The class.

    Returns:
        True as well if the source does not show it.

    Example:
        >>> passes_generator("StableDiffusionPipeline"), passes_generator("FluxPipeline")
        (True, False)
    """
    call = _method("pipelines", pipeline, "__call__")
    steps = [
        node
        for node in (ast.walk(call) if call else ())
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "self.scheduler.step"
    ]
    return all(any(k.arg in (None, "generator") for k in step.keywords) for step in steps)


@cache
def guidance_begins_above(pipeline: str) -> float | None:
    """Give the guidance scale up to which a pipeline draws without guidance.

    Args:
        pipeline: The class.

    Returns:
        The scale; None if the source does not show it, or the pipeline compares it otherwise.

    Example:
        >>> guidance_begins_above("StableDiffusionPipeline"), guidance_begins_above("FluxPipeline")
        (1.0, None)
    """
    file = class_files("pipelines").get(pipeline)
    tree = ast.parse(file.read_text("utf-8")) if file else ast.Module([], [])
    compared = [
        (type(node.ops[0]), node.comparators[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Compare)
        and ast.unparse(node.left) in ("guidance_scale", "self._guidance_scale")
        and isinstance(node.comparators[0], ast.Constant)
    ]
    scales = {float(scale) for kind, scale in compared if isinstance(scale, int | float)}
    return scales.pop() if {kind for kind, _ in compared} == {ast.Gt} and len(scales) == 1 else None


def _method(folder: str, class_name: str, method: str) -> ast.FunctionDef | None:
    """Find a method that the class itself defines."""
    file = class_files(folder).get(class_name)
    body = ast.parse(file.read_text("utf-8")).body if file else []
    for node in body:
        if isinstance(node, ast.ClassDef) and node.name == class_name:
            for item in node.body:
                if isinstance(item, ast.FunctionDef) and item.name == method:
                    return item
    return None


def _names(signature: ast.arguments) -> frozenset[str]:
    every = [*signature.posonlyargs, *signature.args, *signature.kwonlyargs]
    return frozenset(argument.arg for argument in every) - {"self"}
