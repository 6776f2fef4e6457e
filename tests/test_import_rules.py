"""Who may import whom, and which calls have one home: the architecture, held by a test.

Every file is parsed, imports are collected however deeply nested, and held against tables.
A second test feeds wrong lines to the same function: each must be caught.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("goldenseed", "pipeline", "analysis", "seedling")
FILES = sorted(
    path.relative_to(ROOT).as_posix() for name in PACKAGES for path in (ROOT / name).rglob("*.py")
)


def modules(names: str) -> tuple[str, ...]:
    return tuple(f"pipeline.{name}" for name in names.split())


# Where a file begins -> what it must not import.
FORBIDDEN = {
    "pipeline/": ("analysis", "goldenseed"),
    "analysis/": ("goldenseed",),
    "seedling/": ("analysis", "goldenseed"),
    "": ("tests", "benchmarks", "pickle", "cloudpickle", "dill", "joblib.load", "joblib.dump"),
}

# All that analysis may take from pipeline: nothing that draws images. (noise: a release states
# the noise spec with check values.)
ANALYSIS_MAY_USE = modules(
    "choices config errors executors grid noise pictures prompt prompt_sets registry runs schema "
    "shards stage store yaml_files"
)

# A laptop plans a run and reads results without the libraries that draw.
PLANNING = modules(
    "card_parts cards choices conditions config errors grid pictures prompt prompt_making.coco "
    "prompt_making.sample prompt_sets registry sampling schema weights"
)
HEAVY = ("torch", "diffusers", "transformers", "ray")

# A heavy library -> the only places that import it.
HOMES = {
    "ray": ("pipeline/executors/ray.py",),
    "diffusers": ("pipeline/models/", "pipeline/interventions/", "seedling/"),
    "open_clip": ("analysis/features/",),
    "easyocr": ("analysis/features/",),
    "joblib": ("analysis/statistics/parallel.py",),
}

# Members of a family share through its base.py, or what that was cut into: no other siblings.
SHARED = ("backbones", "base", "cards", "networks", "pool", "towers")
FAMILIES = (
    *modules("models interventions executors"),
    "analysis.features",
    "analysis.metrics",
    "analysis.studies",
    "analysis.publish",
)

GLOBAL_SEEDING = {
    "torch.manual_seed",
    "torch.seed",
    "torch.random.manual_seed",
    "torch.random.seed",
    "torch.cuda.manual_seed",
    "torch.cuda.manual_seed_all",
    "numpy.random.seed",
    "random.seed",
    "transformers.set_seed",
}
# Where torch.load may stand, with weights_only=True: training resumes from its own checkpoint,
# whose optimiser state is no safetensors, and some published weights exist as pickles only.
SAFE_LOADS = (
    "seedling/",
    "analysis/features/networks.py",
    "pipeline/interventions/singdiffusion.py",
)
UNSAFE_OPTIONS = ("trust_remote_code=", "allow_pickle=")
DYNAMIC_IMPORTS = ("import_module", "__import__")
PARQUET_WRITERS = {
    "write_table",
    "ParquetWriter",
    "write_parquet",
    "sink_parquet",
    "to_parquet",
    "write_dataset",
}


def is_under(module: str, tops: tuple[str, ...]) -> bool:
    return any(module == top or module.startswith(f"{top}.") for top in tops)


def imported(tree: ast.AST, path: str) -> Iterator[tuple[str, str, str]]:
    """Yield (name in this file, what it stands for, full name imported), nested ones too."""
    package = path.split("/")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.split(".")[0]
                yield alias.asname or top, alias.name if alias.asname else top, alias.name
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) + 1 - node.level] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                full = f"{module}.{alias.name}"
                yield alias.asname or alias.name, full, full
        elif isinstance(node, ast.Call) and dotted(node.func).endswith(DYNAMIC_IMPORTS):
            for argument in node.args[:1]:
                yield "", "", ast.literal_eval(argument) if is_text(argument) else ""


def is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def dotted(node: ast.expr) -> str:
    """Give `a.b.c` for names and attributes; a call in between is written `()`."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return "()"


def import_violations(path: str, names: set[str]) -> Iterator[str]:
    module = path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
    for name in sorted(names):
        for start, tops in FORBIDDEN.items():
            if path.startswith(start) and is_under(name, tops):
                yield f"{path} must not import {name}"
        for library, homes in HOMES.items():
            if is_under(name, (library,)) and not path.startswith(homes):
                yield f"{path} must not import {name}: its home is {', '.join(homes)}"
        if module in PLANNING and is_under(name, HEAVY):
            yield f"{path} must not import {name}: plans are made without it"
        if (
            path.startswith("analysis/")
            and is_under(name, ("pipeline",))
            and not is_under(name, ANALYSIS_MAY_USE)
        ):
            yield f"{path} must not import {name}: analysis reads, it does not draw"
        yield from sibling_violations(path, module, name)


def sibling_violations(path: str, module: str, name: str) -> Iterator[str]:
    for family in FAMILIES:
        if not (module.startswith(f"{family}.") and name.startswith(f"{family}.")):
            continue
        own, other = (full.split(".")[family.count(".") + 1] for full in (module, name))
        if other not in (own, *SHARED) and other.islower():
            yield f"{path} must not import its sibling {name}: share through {family}.base"


def call_violations(path: str, tree: ast.AST, names: dict[str, str]) -> Iterator[str]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        head, _, rest = dotted(node.func).partition(".")
        call = f"{names.get(head, head)}.{rest}".rstrip(".")
        last = call.split(".")[-1]
        where = f"{path}:{node.lineno}: {call}"
        if path != "pipeline/noise.py":
            if call in GLOBAL_SEEDING or last == "seed_everything":
                yield f"{where} seeds globally"
            if not path.startswith("seedling/") and (
                call == "torch.Generator" or last in ("manual_seed", "manual_seed_all")
            ):
                yield f"{where} makes a generator: only pipeline/noise.py does"
        ours = path == "pipeline/shards.py" or call.startswith("pipeline.shards.")
        if last in PARQUET_WRITERS and not ours:
            yield f"{where} writes Parquet: only pipeline/shards.py does"
        if call == "torch.load" and not (path.startswith(SAFE_LOADS) and is_safe_load(node)):
            yield f"{where} may run code from a file: use safetensors"
        for option in map(ast.unparse, node.keywords):
            if option.startswith(UNSAFE_OPTIONS) and not option.endswith("=False"):
                yield f"{where} with {option} may run code from a file"


def is_safe_load(call: ast.Call) -> bool:
    """Whether the file may hold nothing but tensors and plain values."""
    return "weights_only=True" in map(ast.unparse, call.keywords)


def load_time_violations(path: str, tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            yield f"{path}:{node.lineno}: works at import: {ast.unparse(node)[:60]}"


def violations(path: str, source: str) -> list[str]:
    tree = ast.parse(source, filename=path)
    imports = list(imported(tree, path))
    aliases = {local: stands_for for local, stands_for, _ in imports}
    return [
        *import_violations(path, {full for _, _, full in imports}),
        *call_violations(path, tree, aliases),
        *([] if path.endswith("/__main__.py") else load_time_violations(path, tree)),
    ]


@pytest.mark.parametrize("path", FILES)
def test_every_file_keeps_the_rules(path: str) -> None:
    assert violations(path, (ROOT / path).read_text(encoding="utf-8")) == []


def test_the_files_are_found() -> None:
    assert {"pipeline/errors.py", "pipeline/registry.py"} <= set(FILES)


WRONG = [
    ("pipeline/grid.py", "import analysis"),
    ("pipeline/grid.py", "from analysis.metrics import kid"),
    ("pipeline/generate.py", "def f():\n    if True:\n        import analysis.extract as e"),
    ("pipeline/generate.py", "import diffusers"),
    ("pipeline/generate.py", "from goldenseed import cli"),
    ("pipeline/generate.py", "import importlib\nimportlib.import_module('analysis')"),
    ("pipeline/generate.py", "__import__('ray')"),
    ("pipeline/shards.py", "def f():\n    import ray"),
    ("pipeline/executors/local.py", "import ray.util"),
    ("pipeline/executors/ray.py", "from pipeline.executors.local import LocalExecutor"),
    ("pipeline/schema.py", "from torch import Tensor"),
    ("pipeline/grid.py", "class A:\n    def f(self):\n        import torch.nn as nn"),
    ("pipeline/prompt_sets.py", "import transformers"),
    ("pipeline/models/a.py", "from pipeline.models import stable_diffusion"),
    ("pipeline/models/a.py", "from . import stable_diffusion"),
    ("pipeline/interventions/freeu.py", "import pipeline.interventions.none"),
    ("analysis/extract.py", "from pipeline.models import base"),
    ("analysis/extract.py", "from pipeline import interventions"),
    ("analysis/extract.py", "from ..pipeline import models"),
    ("analysis/extract.py", "from pipeline.generate import draw"),
    ("analysis/extract.py", "import pipeline"),
    ("analysis/extract.py", "import diffusers.models"),
    ("analysis/extract.py", "import open_clip"),
    ("analysis/ranking.py", "from goldenseed import open_run"),
    ("analysis/metrics/kid.py", "from analysis.metrics.frechet import distance"),
    ("analysis/metrics/kid.py", "from analysis.metrics import frechet"),
    ("analysis/publish/report.py", "from analysis.publish.seed_lists import rows"),
    ("seedling/world.py", "from analysis.features import appearance"),
    ("goldenseed/cli.py", "import ray"),
    ("goldenseed/cli.py", "from tests.conftest import root"),
    ("pipeline/store.py", "import pickle"),
    ("analysis/extract.py", "from joblib import load"),
    ("pipeline/generate.py", "import torch\ng = torch.Generator('cpu')"),
    ("pipeline/generate.py", "from torch import Generator as G\ng = G()"),
    ("pipeline/generate.py", "import torch as t\nt.manual_seed(3)"),
    ("pipeline/generate.py", "def f(g):\n    return g.manual_seed(3)"),
    ("pipeline/models/base.py", "import torch\nx = torch.seed()"),
    ("pipeline/models/base.py", "import torch\nx = torch.cuda.manual_seed_all(1)"),
    ("analysis/per_seed.py", "import numpy as np\nnp.random.seed(0)"),
    ("analysis/per_seed.py", "from numpy import random\nrandom.seed(0)"),
    ("analysis/per_seed.py", "import random\ndef f():\n    random.seed(0)"),
    ("seedling/train_unet.py", "import torch\ndef f():\n    torch.manual_seed(0)"),
    ("goldenseed/cli.py", "from lightning import seed_everything\nx = seed_everything(1)"),
    ("analysis/per_seed.py", "import pyarrow.parquet as pq\ndef f(t):\n    pq.write_table(t, 'x')"),
    ("pipeline/runs.py", "import pyarrow.parquet\nw = pyarrow.parquet.ParquetWriter('x')"),
    ("pipeline/runs.py", "from pyarrow.parquet import write_table as w\nx = w(1, 'x')"),
    ("analysis/per_seed.py", "def f(frame):\n    frame.write_parquet('x')"),
    ("analysis/per_seed.py", "def f(frame):\n    frame.lazy().sink_parquet('x')"),
    ("pipeline/models/a.py", "import torch\nw = torch.load('x')"),
    ("pipeline/models/a.py", "import torch\nw = torch.load('x', weights_only=True)"),
    ("seedling/training.py", "import torch\nw = torch.load('x', weights_only=False)"),
    ("pipeline/models/a.py", "from torch import load\nw = load('x')"),
    ("analysis/features/networks.py", "import torch\nw = torch.load('x')"),
    ("analysis/features/clip.py", "import torch\nw = torch.load('x', weights_only=True)"),
    ("analysis/features/clip.py", "from analysis.features.hps import padded"),
    (
        "pipeline/models/a.py",
        "def f(c):\n    c.from_pretrained('x', trust_remote_code=True)",
    ),
    (
        "pipeline/models/a.py",
        "def f(c, t):\n    c.from_pretrained('x', trust_remote_code=t)",
    ),
    ("analysis/extract.py", "import numpy\nx = numpy.load('x', allow_pickle=True)"),
    ("pipeline/store.py", "import logging\nlogging.basicConfig()"),
]

RIGHT = [
    ("pipeline/noise.py", "import torch\ng = torch.Generator('cpu').manual_seed(3)"),
    ("pipeline/shards.py", "import pyarrow.parquet as pq\nw = pq.ParquetWriter('x')"),
    ("pipeline/executors/ray.py", "import ray\nfrom pipeline.executors.base import Executor"),
    ("pipeline/runs.py", "from pipeline.shards import write_table\nx = write_table(1)"),
    ("pipeline/models/stable_diffusion.py", "def f():\n    import diffusers"),
    ("pipeline/models/a.py", "def f(c):\n    return c.load('x', trust_remote_code=False)"),
    ("analysis/metrics/kid.py", "from analysis.metrics.base import Metric"),
    ("analysis/metrics/kid.py", "from analysis.metrics import base"),
    ("analysis/metrics/kid.py", "from analysis.statistics import distances"),
    (
        "analysis/extract.py",
        "import pipeline.grid\nfrom pipeline import stage",
    ),
    ("analysis/extract.py", "import torch\ndef f(x: torch.Generator) -> None: ..."),
    ("analysis/per_seed.py", "import numpy as np\nrng = np.random.default_rng(0)"),
    ("goldenseed/cli.py", "from analysis import ranking\nimport pipeline.generate"),
    ("seedling/training.py", "import torch\nw = torch.load('x', weights_only=True)"),
    ("analysis/features/networks.py", "import torch\nw = torch.load('x', weights_only=True)"),
    ("seedling/world.py", "import torch\ng = torch.Generator().manual_seed(1)"),
    ("goldenseed/__main__.py", "from goldenseed.cli import main\nmain()"),
    ("pipeline/grid.py", "import raylib, torchless\nx = 'import torch'  # import ray"),
]


@pytest.mark.parametrize(("path", "source"), WRONG)
def test_a_wrong_line_is_caught(path: str, source: str) -> None:
    assert len(violations(path, source)) >= 1


@pytest.mark.parametrize(("path", "source"), RIGHT)
def test_a_right_line_is_let_through(path: str, source: str) -> None:
    assert violations(path, source) == []
