"""Write a page: a template, its data, and the scripts that show the data, in one file.

The security policy of a page allows the scripts that are in it, by their hash, and nothing else: no
request leaves the page, except for images beside it. Text reaches the page by a template that
escapes, or as JSON that scripts put into text nodes.
"""

import base64
import hashlib
import math
import os
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.publish.pages.visible import visible
from pipeline.errors import StoreError

if TYPE_CHECKING:
    from jinja2 import Environment

FRAME = Path(__file__).parent
D3, PLOT = FRAME / "vendor" / "d3.min.js", FRAME / "vendor" / "plot.min.js"
"""Libraries for charts: D3, and Observable Plot, which needs D3 before it."""
POLICY = (
    "default-src 'none'; script-src {scripts}; style-src 'unsafe-inline'; "
    # Browsers differ in whether a page on the disk is 'self' for a file beside it.
    "img-src 'self' file: data:; base-uri 'none'; form-action 'none'"
)


@dataclass(frozen=True)
class Page:
    """A page.

    Attributes:
        template: A Jinja template that extends `base.html.j2`.
        title: Title of the page.
        context: Names that the template uses.
        data: Name -> value; scripts read it as `page.data("name")`. Numbers that are not finite
            become null.
        scripts: Files of JavaScript, run in this order after those of the frame.
        styles: Files of CSS in addition to that of the frame.
    """

    template: Path
    title: str
    context: Mapping[str, object] = field(default_factory=dict)
    data: Mapping[str, object] = field(default_factory=dict)
    scripts: Sequence[Path] = ()
    styles: Sequence[Path] = ()


def write_page(path: Path, page: Page) -> int:
    """Write a page as a whole, replacing an older one.

    Args:
        path: The file, for example `report/index.html`. Its folder is made.
        page: The page.

    Returns:
        Size of the file in bytes.

    Raises:
        StoreError: If the file cannot be written.
    """
    data = page_html(page).encode()
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside.write_bytes(data)
        aside.replace(path)
    except OSError as error:
        with suppress(OSError):
            aside.unlink()
        raise StoreError(f"{path} cannot be written: {os.strerror(error.errno or 0)}") from error
    return len(data)


def page_html(page: Page) -> str:
    """Render a page. The same page gives the same text."""
    scripts = [path.read_text("utf-8") for path in (FRAME / "frame.js", *page.scripts)]
    styles = [path.read_text("utf-8") for path in (FRAME / "style.css", *page.styles)]
    template = _environment(page.template.parent).get_template(page.template.name)
    return template.render(
        title=page.title,
        policy=POLICY.format(scripts=" ".join(map(_hash, scripts))),
        frame_scripts=scripts,
        frame_styles=styles,
        frame_data={name: finite(value) for name, value in page.data.items()},
        **page.context,
    )


def finite(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Replace numbers that JSON cannot say by None.

    Example:
        >>> finite({"a": [1.0, float("nan")], "b": "text"})
        {'a': [1.0, None], 'b': 'text'}
    """
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [finite(each) for each in value]
    return value


def _environment(folder: Path) -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader([folder, FRAME]),
        autoescape=True,  # whatever the templates are called
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    environment.filters["visible"] = visible
    return environment


def _hash(script: str) -> str:
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
