"""What a stranger's file may hold: any bytes, and samples that were changed in some places."""

import copy
import json
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from pipeline.storage.sealed import seal

ODD = (
    *(
        "",
        "\0",
        "\ud800",
        "x" * 5000,
        "../../../x",
        "/dev/full",
        "os:getcwd",
        "é\u202e\u0301",
        "0x1f",
    ),
    *(0, -1, 1, 2**31, 2**63, -(2**64), 10**400, True, None, [], {}, [[]], {"": None}),
    *(0.0, -0.0, 1e308, float("nan"), float("inf"), "NaN", "1e400", [0] * 500, {"a": {"a": {}}}),
)
"""Values that parsers fail at: extremes, wrong types, paths that lead out, names of classes."""

Place = tuple[Any, ...]


def any_json() -> st.SearchStrategy[Any]:
    """Any value of JSON, and values that Python's parser takes in addition."""
    plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    return st.recursive(
        plain,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=8,
    )


def places(document: Any, start: Place = ()) -> list[Place]:  # noqa: ANN401 - any JSON
    """The way to each value of a document; the empty one leads to the document itself."""
    keys: list[Any] = list(document) if isinstance(document, dict) else []
    keys = list(range(len(document))) if isinstance(document, list) else keys
    return [start, *(p for key in keys for p in places(document[key], (*start, key)))]


@st.composite
def changed(draw: st.DrawFn, sample: Any) -> Any:  # noqa: ANN401
    """A document in which one to three values were replaced, removed, repeated or renamed."""
    document = {"document": copy.deepcopy(sample)}
    for _ in range(draw(st.integers(1, 3))):
        *way, key = draw(st.sampled_from(places(document)[1:] or [("document",)]))
        parent: Any = document
        for step in way:
            parent = parent[step]
        _change(draw, parent, key)
    return document.get("document")


def _change(draw: st.DrawFn, parent: Any, key: Any) -> None:  # noqa: ANN401
    how = draw(st.sampled_from(["replace", "replace", "remove", "rename", "repeat"]))
    there = isinstance(parent, list) or key in parent
    if how == "repeat" and there and isinstance(parent[key], list):
        parent[key] = parent[key] * 2
    elif how == "rename" and there and isinstance(parent, dict):
        parent[draw(st.text(max_size=5))] = parent.pop(key)
    elif how == "remove" and there:
        del parent[key]
    else:
        parent[key] = copy.deepcopy(draw(st.sampled_from(ODD) | any_json()))


@st.composite
def changed_bytes(draw: st.DrawFn, sample: bytes) -> bytes:
    """A file that was cut, or in which some bytes were changed, added or removed."""
    data = bytearray(sample)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        how = draw(st.sampled_from(["set", "insert", "remove", "cut"]))
        new = draw(st.binary(min_size=1, max_size=8))
        if how == "cut":
            del data[start:]
        else:
            removed = {"set": len(new), "insert": 0}.get(how, draw(st.integers(1, 64)))
            data[start : start + removed] = b"" if how == "remove" else new
    return bytes(data)


def files_like(sample: bytes) -> st.SearchStrategy[bytes]:
    """Files near a sample, and now and then any bytes."""
    return changed_bytes(sample) | changed_bytes(sample) | st.binary(max_size=200)


def text_of(document: Any) -> bytes:  # noqa: ANN401
    """The JSON of a document, lone surrogates and numbers beyond JSON included."""
    return json.dumps(document, ensure_ascii=False).encode(errors="surrogatepass")


def sealed_text_of(document: Any) -> bytes:  # noqa: ANN401
    """The JSON of a document, with the seal of somebody who wrote it on purpose."""
    return seal(document) if isinstance(document, dict) else text_of(document)


def documents_like(
    sample: Any,  # noqa: ANN401
    write: Callable[[Any], bytes] = text_of,
) -> st.SearchStrategy[bytes]:
    """Files near a document: changed values most of the time, changed bytes otherwise."""
    near = changed(sample).map(write)
    return near | near | near | files_like(write(sample))
