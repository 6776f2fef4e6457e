"""Loads classes by name, when they are asked for.

A family (models, interventions, features, metrics ...) is a table in the `__init__` of its
package: name -> "module:Class". Nothing is imported until a name is loaded, so listing the names
costs nothing, and a heavy library is needed only by those who use it.

A recipe may name a class of the user's own by its dotted path. Importing a module runs it, and a
recipe may be a stranger's, so such a path is imported only in a process that called `allow_code`:
the commands do so for `--allow-code`, the Python interface for `allow_code=True`.

Source: lazy "module:object" tables with suggestions are lm-evaluation-harness's,
EleutherAI/lm-evaluation-harness, lm_eval/api/registry.py.
"""

import hashlib
import importlib
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import RegistryError, nearest

__all__ = ["allow_code", "code_allowed", "is_user_path", "load", "source_sha256"]

_permission = {"code": False}


def allow_code(*, allowed: bool = True) -> None:
    """Allow that classes outside goldenseed are imported by their dotted path, in this process.

    Args:
        allowed: True allows it from now on; False changes nothing, so a permission that was given
            stays.
    """
    _permission["code"] = _permission["code"] or allowed


def code_allowed() -> bool:
    """Whether `allow_code` was called with True in this process."""
    return _permission["code"]


def load(family: Mapping[str, str], name: str, what: str, *, base: type | None = None) -> type[Any]:
    """Load the class of a name in a family, or of a dotted path.

    Args:
        family: name -> "module:Class".
        name: A name of the family, or a user's own "my_module:MyClass" or
            "my_module.MyClass", found on the Python path.
        what: The family in the singular, for the messages ("metric").
        base: What the class must derive from, or None for no check.

    Returns:
        The class itself, not an instance.

    Raises:
        RegistryError: If the name is unknown (the message gives the nearest and all known
            names), if it is a dotted path and `allow_code` was not called, if its module or class
            does not exist (the message says where a class of the family is now), or if it is not
            a subclass of `base`.

    Example:
        >>> load({"ordered": "collections:OrderedDict"}, "ordered", "map")
        <class 'collections.OrderedDict'>
        >>> load({"ordered": "collections:OrderedDict"}, "orderd", "map")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        pipeline.errors.RegistryError: unknown map 'orderd': did you mean 'ordered'? ...
    """
    if name in family:
        path = family[name]
    elif is_user_path(name):
        path = name
    else:
        raise _unknown(family, name, what)
    try:
        _refuse_own_code(family, path, what)
        loaded = _resolve(path, name, what)
    except RegistryError as error:
        raise RegistryError(f"{error}{_moved_hint(family, path)}") from error
    if not inspect.isclass(loaded):
        raise RegistryError(f"{what} {name!r} is a {type(loaded).__name__}; wanted a class")
    if base is not None and not issubclass(loaded, base):
        raise RegistryError(
            f"{what} {name!r} is no subclass of {base.__qualname__} (in {base.__module__})"
        )
    return loaded


def is_user_path(name: str) -> bool:
    """Whether a name is written as the path of a class of the user's own.

    Example:
        >>> is_user_path("my_module:Mine"), is_user_path("my_module.Mine"), is_user_path("fid")
        (True, True, False)
    """
    module, _, attribute = _split(name)
    return bool(module and attribute) and all(
        part.isidentifier() for part in [*module.split("."), attribute]
    )


def source_sha256(obj: object) -> str:
    """Hash the source file that defines a class, for the identity of what it computes.

    The whole file counts, because a class may use any function in it. Line ends are made equal, so
    that a checkout on another system has the same hash.

    Args:
        obj: A class or a function.

    Returns:
        The sha256, 64 hex digits.

    Raises:
        RegistryError: If the object was not defined in a file (typed into a shell).
    """
    try:
        path = inspect.getsourcefile(obj)  # type: ignore[arg-type]
    except TypeError:
        path = None
    if path is None or not Path(path).is_file():
        raise RegistryError(
            f"{obj!r} has no source file, so its identity cannot be recorded: put it in a module"
        )
    return hashlib.sha256(Path(path).read_bytes().replace(b"\r\n", b"\n")).hexdigest()


def _split(path: str) -> tuple[str, str, str]:
    return path.partition(":") if ":" in path else path.rpartition(".")


def _unknown(family: Mapping[str, str], name: str, what: str) -> RegistryError:
    known = ", ".join(sorted(family)) or "none"
    return RegistryError(
        f"unknown {what} {name!r}: {nearest(name, family)}known: {known}; a class of your own is "
        f"written as my_module:MyClass, and needs --allow-code"
    )


def _refuse_own_code(family: Mapping[str, str], path: str, what: str) -> None:
    """Refuse a path that is not one of the family's, unless `allow_code` was called."""
    module, _, attribute = _split(path)
    if code_allowed() or f"{module}:{attribute}" in family.values():
        return
    raise RegistryError(
        f"{what} {path!r} is a class outside goldenseed, and importing it runs its module; if you "
        f"trust that module, give --allow-code (in Python: allow_code=True)"
    )


def _resolve(path: str, name: str, what: str) -> object:
    module_name, _, attribute = _split(path)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise RegistryError(
            f"{what} {name!r}: no module {error.name!r} on the Python path; "
            f"install what it needs, or add its folder to PYTHONPATH"
        ) from error
    if not hasattr(module, attribute):
        public = [known for known in vars(module) if not known.startswith("_")]
        raise RegistryError(
            f"{what} {name!r}: module {module_name!r} has no {attribute!r}: "
            f"{nearest(attribute, public)}".rstrip(": ")
        )
    loaded: object = getattr(module, attribute)
    return loaded


def _moved_hint(family: Mapping[str, str], path: str) -> str:
    """Where a class of the family is now, if `path` is where it was; else an empty string."""
    module, _, attribute = _split(path)
    for name, current in family.items():
        new_module, _, class_name = _split(current)
        same_package = new_module.partition(".")[0] == module.partition(".")[0]
        if class_name == attribute and same_package and new_module != module:
            return f"; it is now {current!r}: write {name}"
    return ""
