"""Show a run and its images in a notebook, as HTML; all text of the run is escaped."""

import base64
import io
from collections.abc import Mapping
from html import escape
from pathlib import Path

from PIL import Image

_VIEWER = """\
<!doctype html><meta charset="utf-8"><style>
body{margin:0;overflow:hidden;background:#f4f4f4;cursor:grab}
img{transform-origin:0 0;image-rendering:pixelated}
p{position:fixed;left:8px;bottom:0;font:12px sans-serif;background:#fffc;padding:2px 6px}
</style><img id="i" alt="rows are seeds, columns are prompts" draggable="false" src="SOURCE">
<p>wheel: zoom, drag: move, double click: whole picture</p><script>
const image=document.getElementById("i");let scale=1,x=0,y=0,held=null;
const show=()=>image.style.transform=`translate(${x}px,${y}px) scale(${scale})`;
const whole=()=>{scale=Math.min(innerWidth/image.naturalWidth,innerHeight/image.naturalHeight);
x=y=0;show()};
image.complete?whole():image.onload=whole;
addEventListener("wheel",e=>{e.preventDefault();const f=Math.exp(-e.deltaY/400);
x=e.clientX-(e.clientX-x)*f;y=e.clientY-(e.clientY-y)*f;scale*=f;show()},{passive:false});
addEventListener("pointerdown",e=>held=[e.clientX-x,e.clientY-y]);
addEventListener("pointermove",e=>{if(held){x=e.clientX-held[0];y=e.clientY-held[1];show()}});
addEventListener("pointerup",()=>held=null);addEventListener("dblclick",whole);
</script>"""


def rows_html(title: str, rows: Mapping[str, object]) -> str:
    """Write names and values as a table.

    Example:
        >>> rows_html("run", {"prompt": "<b>"}).count("&lt;b&gt;")
        1
    """
    body = "".join(
        f"<tr><th style='text-align:left'>{escape(name)}</th>"
        f"<td style='text-align:left'>{escape(str(value))}</td></tr>"
        for name, value in rows.items()
    )
    return f"<table><caption>{escape(title)}</caption>{body}</table>"


def png_bytes(image: Image.Image) -> bytes:
    """Encode an image as PNG."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


class ContactSheet:
    """A contact sheet; Jupyter displays it.

    Attributes:
        image: The sheet as an image.
    """

    def __init__(self, image: Image.Image) -> None:
        self.image = image

    def save(self, path: str | Path) -> None:
        """Write the sheet to a file. The suffix decides the format."""
        self.image.save(path)

    def _repr_png_(self) -> bytes:
        return png_bytes(self.image)


class ZoomView:
    """A contact sheet to zoom into; front ends without HTML show it as a plain picture.

    The page inside needs no server and no network, and cannot reach the notebook.

    Attributes:
        image: The sheet as an image.
    """

    def __init__(self, image: Image.Image) -> None:
        self.image = image

    def _repr_mimebundle_(
        self, include: object = None, exclude: object = None
    ) -> dict[str, str | bytes]:
        png = png_bytes(self.image)
        source = f"data:image/png;base64,{base64.b64encode(png).decode()}"
        page = escape(_VIEWER.replace("SOURCE", source), quote=True)
        frame = (
            f'<iframe sandbox="allow-scripts" width="100%" height="480" '
            f'title="seeds and prompts" srcdoc="{page}"></iframe>'
        )
        return {"text/html": frame, "image/png": png}
