"""English and Korean: texts through gettext, numbers and times as each locale writes them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import InvalidOperation
from functools import cached_property, lru_cache
from gettext import NullTranslations
from pathlib import Path
from typing import Any

import msgspec
from babel import Locale, negotiate_locale
from babel.dates import format_datetime, format_timedelta, get_datetime_format
from babel.numbers import format_compact_decimal, format_decimal, format_percent
from babel.support import Translations
from babel.units import format_unit
from werkzeug.datastructures import LanguageAccept
from werkzeug.http import parse_accept_header

from scv.message import Message, mark

DOMAIN = "scv"
NAMES = {"en": "English", "ko": "한국어"}
"""The languages there are, each by its own name."""

DEFAULT = "en"

LONGEST_ACCEPT = 1000
"""Characters of an Accept-Language header that are read; browsers send less than a hundred."""

_UNITS = (("gigabyte", 10**9), ("megabyte", 10**6), ("kilobyte", 10**3), ("byte", 1))
MILLISECONDS = mark("{ms} ms")
SECONDS, MINUTES, HOURS = mark("{s} s"), mark("{min} min {s} s"), mark("{h} h {min} min")


@lru_cache(10_000)  # an editor page holds hundreds of numbers, most of them those of the page before
def _number(value: int | float, locale: Locale) -> str:
    try:
        return str(format_decimal(value, locale=locale))
    except InvalidOperation:
        return f"{value:,}"


@dataclass(frozen=True)
class Language:
    """One language: `text` shows a message, the others write figures."""

    code: str
    locale: Locale
    catalogue: NullTranslations

    def text(self, message: Message | str) -> str:
        """The translated sentence; places are filled after translation, messages among them translated too."""
        if isinstance(message, str):
            return self.catalogue.gettext(message) if message else ""
        sentence = self.catalogue.gettext(message.template)
        if not message.values:
            return sentence
        return sentence.format_map({name: self._value(value) for name, value in message.values.items()})

    def _value(self, value: Any) -> str:
        if isinstance(value, dict):  # a message within a message that was stored as JSON
            value = msgspec.convert(value, Message)
        if isinstance(value, Message):
            return self.text(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return self.number(value)
        return str(value)

    def number(self, value: int | float) -> str:
        """`21,114`; decimals keep three places. Absurdly large numbers are written all the same."""
        return _number(value, self.locale)

    def compact(self, value: int) -> str:
        """`1.2M` or `120만`, for large counts beside their exact value."""
        return str(format_compact_decimal(value, locale=self.locale, fraction_digits=1))

    def bytes(self, value: int) -> str:
        """`18 MB`, for an amount of memory."""
        unit, size = next((u, s) for u, s in _UNITS if value >= s or s == 1)
        digits = 1 if size > 1 and value < 10 * size else 0
        return str(format_unit(round(value / size, digits), unit, length="short", locale=self.locale))

    def percent(self, share: float, digits: int = 1) -> str:
        """`97.8%` for a share of 0.978."""
        pattern = "#,##0." + "0" * digits + "%" if digits else "#,##0%"
        return str(format_percent(share, pattern, locale=self.locale))

    def decimal(self, value: float, digits: int = 3) -> str:
        """A fixed number of decimals, so that a column of them lines up."""
        try:
            return str(format_decimal(value, "#,##0." + "0" * digits, locale=self.locale))
        except InvalidOperation:  # a loss that runs away, for one
            return f"{value:.{digits}g}"

    def moment(self, when: datetime) -> str:
        """`Nov 21, 2026, 2:46:05 PM UTC` or `2026. 11. 21. 오후 2:46:05 UTC`."""
        return str(format_datetime(when.astimezone(UTC), self._moment, locale=self.locale)) + " UTC"

    @cached_property
    def _moment(self) -> str:
        """The locale's pattern with the half of the day written out: Korean shortens it to "AM"."""
        date, time = (
            str(formats["medium"].pattern) for formats in (self.locale.date_formats, self.locale.time_formats)
        )
        joined = str(get_datetime_format("medium", locale=self.locale))
        return joined.format(time.replace("a", "aaaa"), date)

    def ago(self, when: datetime) -> str:
        """`3 minutes ago`."""
        return str(format_timedelta(when - datetime.now(UTC), add_direction=True, locale=self.locale))

    def duration(self, seconds: float) -> str:
        """`40 ms`, `0.4 s`, `12 s`, `3 min 20 s` or `1 h 5 min`."""
        whole = round(seconds)
        if whole >= 3600:
            return self.catalogue.gettext(HOURS).format(h=whole // 3600, min=whole % 3600 // 60)
        if whole >= 60:
            return self.catalogue.gettext(MINUTES).format(min=whole // 60, s=whole % 60)
        if 0.0005 <= seconds < 0.0995:
            return self.catalogue.gettext(MILLISECONDS).format(ms=round(seconds * 1000))
        shown = whole if seconds >= 9.95 else self.decimal(max(seconds, 0.0), 1)
        return self.catalogue.gettext(SECONDS).format(s=shown)


def load_languages(translations: Path) -> Mapping[str, Language]:
    """Every language of `NAMES` from the compiled catalogues; English needs none."""
    found = {}
    for code in NAMES:
        catalogue = Translations.load(translations, [code], DOMAIN)
        found[code] = Language(code, Locale.parse(code), catalogue)
    return found


def choose(wanted: Sequence[str | None], accept: str) -> str:
    """The first wanted language there is, else the best of an Accept-Language header, else English.

    A tag with subtags, such as `ko-KR`, stands for its language. As in the lookup of RFC 4647 `*` decides nothing.
    """
    for code in wanted:
        if code in NAMES:
            return code
    # The best first; what is malformed is left out.
    accepted = parse_accept_header(accept[:LONGEST_ACCEPT], LanguageAccept)
    tags = [tag.lower() for tag, weight in accepted if weight > 0]
    return negotiate_locale(tags, NAMES, sep="-") or DEFAULT
