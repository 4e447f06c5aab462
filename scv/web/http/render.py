"""Templates as HTML: one Jinja environment for each language; whole pages, blocks and macros."""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Protocol

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from jinja2_fragments import render_block
from litestar import Response
from litestar.enums import MediaType
from litestar.template.base import csrf_token
from litestar_htmx import HTMXRequest
from markupsafe import Markup, escape

from scv.db.tables import User
from scv.web.http.language import NAMES, Language

AnyRequest = HTMXRequest
"""The request that handlers receive. `request.htmx` holds the headers of htmx, and is false where htmx sent nothing."""

Rendered = dict[tuple[str, str], Markup]
"""The rendered HTML of an object, by language and macro."""


class Renderable(Protocol):
    """A value that a macro renders. An object with `rendered` never changes, and keeps its HTML there."""

    @property
    def rendered(self) -> Rendered | None: ...


@dataclass(frozen=True)
class RequestContext:
    """The user of a request (None where nobody is signed in), their language, and the CSRF token of their forms."""

    user: User | None
    language: Language
    request: AnyRequest

    @cached_property
    def csrf(self) -> str:
        """The CSRF token."""
        return csrf_token({"request": self.request})

    @cached_property
    def area(self) -> str:
        """Which link of the top bar the page belongs to: the first part of its address; runs belong to models."""
        first = self.request.url.path.split("/")[1]
        return "models" if first == "runs" else first


class Renderer:
    """Renders templates in each language."""

    def __init__(
        self,
        languages: Mapping[str, Language],
        templates: Path,
        static: Path,
        *,
        filters: Mapping[str, Callable[..., object]],
        values: Mapping[str, object],
    ) -> None:
        """`filters` and `values` are added to what this class gives all templates."""
        self._static = static
        self._fingerprints: dict[str, str] = {}
        self._environments = {code: self._environment(lang, templates) for code, lang in languages.items()}
        for environment in self._environments.values():
            environment.filters.update(filters)
            environment.globals.update(values)

    def _environment(self, language: Language, templates: Path) -> Environment:
        environment = Environment(
            loader=FileSystemLoader(templates),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        environment.globals.update(_gettext_of(language))
        environment.filters.update(
            text=language.text,
            number=language.number,
            compact=language.compact,
            bytes=language.bytes,
            percent=language.percent,
            decimal=language.decimal,
            moment=language.moment,
            ago=language.ago,
            duration=language.duration,
            arithmetic=arithmetic,
            hint=lru_cache(1000)(lambda param: f"{language.text(param.help)} ({language.text(param.range)})"),
        )

        def fragment(template: str, name: str, thing: Renderable) -> Markup:
            kept = thing.rendered
            if kept is None:
                return self.macro(language.code, template, name, thing)
            if (language.code, name) not in kept:
                kept[language.code, name] = _with_hash(self.macro(language.code, template, name, thing))
            return kept[language.code, name]

        environment.globals.update(asset=self.asset, languages=NAMES, fragment=fragment)
        return environment

    def asset(self, path: str) -> str:
        """The address of a file of static/. It holds a hash of the content, so browsers may keep the file for ever."""
        if path not in self._fingerprints:
            file = self._static / path
            content = file.read_bytes() if file.is_file() else b""
            self._fingerprints[path] = hashlib.sha256(content).hexdigest()[:10]
        return f"/static/{path}?v={self._fingerprints[path]}"

    def html(self, context: RequestContext, template: str, page: object, block: str | None = None) -> str:
        """The HTML of a template, or of one of its blocks; the template sees `page` and `context`."""
        environment = self._environments[context.language.code]
        values = {"page": page, "context": context}
        if block is None:
            return environment.get_template(template).render(values)
        return render_block(environment, template, block, values)

    def macro(self, language: str, template: str, name: str, *values: object) -> Markup:
        """The HTML of a macro of a template, called with these values."""
        made = getattr(self._environments[language].get_template(template).module, name)(*values)
        return Markup(made)  # noqa: S704 - a macro's output is escaped already

    def document(self, language: str, template: str, page: object) -> str:
        """The HTML of a template that needs no context of a request: a file to download."""
        return self._environments[language].get_template(template).render(page=page, language=language)

    def respond(
        self,
        context: RequestContext,
        template: str,
        page: object,
        *,
        block: str | None = None,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> Response[str]:
        """An answer with the HTML of a template, or of one of its blocks."""
        return Response(
            self.html(context, template, page, block),
            status_code=status,
            media_type=MediaType.HTML,
            headers={"vary": "HX-Request, Cookie, Accept-Language", **(headers or {})},
        )


def _with_hash(element: Markup) -> Markup:
    """An element that bears a hash of its HTML, by which the browser sees that it shows this element already."""
    html = element.strip()
    name_end = re.match(r"<\w+", html)
    if name_end is None:
        return element
    digest = hashlib.blake2b(html.encode(), digest_size=6).hexdigest()
    return html[: name_end.end()] + Markup(' data-hash="{}"').format(digest) + html[name_end.end() :]


def _gettext_of(language: Language) -> dict[str, Callable[..., Markup]]:
    """What templates call to translate: Jinja's newstyle functions, with texts without variables kept as they are."""

    @lru_cache(2000)  # more than all templates have
    def plain(text: str) -> Markup:
        return Markup(language.catalogue.gettext(text)) % {}  # noqa: S704 - our own translations

    def gettext(text: str, /, **variables: object) -> Markup:
        if not variables:
            return plain(text)
        return Markup(language.catalogue.gettext(text)) % variables  # noqa: S704 - it escapes the variables

    def ngettext(singular: str, plural: str, num: int, /, **variables: object) -> Markup:
        text = Markup(language.catalogue.ngettext(singular, plural, num))  # noqa: S704 - it escapes the variables
        return text % {"num": num, **variables}

    return {"_": gettext, "gettext": gettext, "ngettext": ngettext}


_NUMBER = re.compile(r"\d[\d,.]*")


@lru_cache(2000)
def arithmetic(line: str) -> Markup:
    """A line of a formula as HTML with its numbers in `<em>`."""
    marked = Markup()
    end = 0
    for match in _NUMBER.finditer(line):
        marked += escape(line[end : match.start()]) + Markup("<em>{}</em>").format(match[0])
        end = match.end()
    return marked + escape(line[end:])
