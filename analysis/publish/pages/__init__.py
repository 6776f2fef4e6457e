"""One frame for all web pages: layout, theme, security policy and small scripts.

A page is one HTML file with its styles, scripts and data inside it, so that it opens from
`file://` and from an object store. Images lie beside the page.
"""

from analysis.publish.pages.page import D3, PLOT, Page, page_html, write_page
from analysis.publish.pages.visible import visible

__all__ = ["D3", "PLOT", "Page", "page_html", "visible", "write_page"]
