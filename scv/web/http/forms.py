"""Posted forms as text fields, the page that a form was on, and names of downloads."""

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from scv.web.http.render import AnyRequest

Form = Mapping[str, str]
"""The text fields of a posted form, by name."""


async def read_form(request: AnyRequest) -> Form:
    """The text fields of a form, the last of each name. NUL characters, which no database takes, are removed."""
    form = await request.form()
    return {
        name.replace("\0", ""): value.replace("\0", "") for name, value in form.multi_items() if isinstance(value, str)
    }


POSTED_TO = re.compile(r"(?P<page>.*)/(?:operations|runs|rename|delete|stop|pause|resume|again|make)")
"""Addresses of forms. A refused form leaves its address in the address bar, though no page can be opened there."""


def page_before(request: AnyRequest) -> str:
    """The path of the page that the form was on, or `/` where that is no page of this site."""
    try:
        referer = urlsplit(request.headers.get("referer", ""))
    except ValueError:
        return "/"
    if referer.netloc != request.headers.get("host", "") or not referer.path.startswith("/"):
        return "/"
    path = "/" + referer.path.lstrip("/")
    if posted := POSTED_TO.fullmatch(path):
        return posted["page"] or "/"
    return f"{path}?{referer.query}" if referer.query else path


def file_name(name: str, ending: str) -> str:
    """A file name of ASCII letters, digits and hyphens: `Digit reader` gives `digit-reader.py`."""
    words = "".join(c if c.isascii() and c.isalnum() else " " for c in name.lower()).split()
    return f"{'-'.join(words) or 'model'}.{ending}"
