"""Templates: one environment a language, whole pages and single blocks of them."""

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
"""The request that handlers get: `request.htmx` says what htmx sent, and is false where it sent nothing."""

Rendered = dict[tuple[str, str], Markup]
"""What came of an object, by language and macro."""


class Renderable(Protocol):
    """What a macro renders. Where there is `rendered`, the object never changes and what came of it is kept there."""

    @property
    def rendered(self) -> Rendered | None: ...


@dataclass(frozen=True)
class RequestContext:
    """Who asks, in which language, and the token that their forms carry."""

    user: User | None
    language: Language
    request: AnyRequest

    @cached_property
    def csrf(self) -> str:
        return csrf_token({"request": self.request})


class Renderer:
    """Turns a page's context into HTML in the visitor's language."""

    def __init__(
        self,
        languages: Mapping[str, Language],
        templates: Path,
        static: Path,
        *,
        filters: Mapping[str, Callable[..., object]],
        values: Mapping[str, object],
    ) -> None:
        """`filters` and `values` are what the templates may use beside what this class gives them."""
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
            extensions=["jinja2.ext.i18n"],
        )
        environment.install_gettext_translations(language.catalogue, newstyle=True)  # type: ignore[attr-defined]  # added by the extension
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
                kept[language.code, name] = self.macro(language.code, template, name, thing)
            return kept[language.code, name]

        environment.globals.update(asset=self.asset, languages=NAMES, fragment=fragment)
        return environment

    def asset(self, path: str) -> str:
        """The address of a file of static/, with its content's fingerprint so that it can be kept for ever."""
        if path not in self._fingerprints:
            file = self._static / path
            content = file.read_bytes() if file.is_file() else b""
            self._fingerprints[path] = hashlib.sha256(content).hexdigest()[:10]
        return f"/static/{path}?v={self._fingerprints[path]}"

    def html(self, context: RequestContext, template: str, page: object, block: str | None = None) -> str:
        """A whole template, or one of its blocks, for a page context."""
        environment = self._environments[context.language.code]
        values = {"page": page, "context": context}
        if block is None:
            return environment.get_template(template).render(values)
        return render_block(environment, template, block, values)

    def macro(self, language: str, template: str, name: str, *values: object) -> Markup:
        """What a template's macro makes of these values."""
        made = getattr(self._environments[language].get_template(template).module, name)(*values)
        return Markup(made)  # noqa: S704 - a macro's output is escaped already

    def document(self, language: str, template: str, page: object) -> str:
        """A whole template that is shown to nobody in particular: a file to take away."""
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
        return Response(
            self.html(context, template, page, block),
            status_code=status,
            media_type=MediaType.HTML,
            headers={"vary": "HX-Request, Cookie, Accept-Language", **(headers or {})},
        )


_NUMBER = re.compile(r"\d[\d,.]*")


def arithmetic(line: str) -> Markup:
    """A line of a formula with its numbers set off."""
    marked = Markup()
    end = 0
    for match in _NUMBER.finditer(line):
        marked += escape(line[end : match.start()]) + Markup("<em>{}</em>").format(match[0])
        end = match.end()
    return marked + escape(line[end:])
