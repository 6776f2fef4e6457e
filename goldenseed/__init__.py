"""goldenseed: find out what a random seed does to a text-to-image diffusion model.

This is the public face in Python. Each name is loaded when it is first used, so that
`import goldenseed` takes no time and reading results needs no torch.

Example:
    >>> import goldenseed
    >>> goldenseed.__version__
    '0.1.0'
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from goldenseed.api.generators import generators
    from goldenseed.api.lists import diverse_seeds, golden_seeds
    from goldenseed.api.run_view import open_run
    from pipeline.noise import draw_noise

__all__ = ["diverse_seeds", "draw_noise", "generators", "golden_seeds", "open_run"]

__version__: str

_MODULES = {
    "diverse_seeds": "goldenseed.api.lists",
    "draw_noise": "pipeline.noise",
    "generators": "goldenseed.api.generators",
    "golden_seeds": "goldenseed.api.lists",
    "open_run": "goldenseed.api.run_view",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - the type is that of the name
    if name == "__version__":
        from importlib.metadata import version

        return version("goldenseed")
    if name not in _MODULES:
        raise AttributeError(f"module 'goldenseed' has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
