"""The address of the broker, as people type it: a Unix socket, or a Redis or Valkey server with or without TLS."""

from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from redis.asyncio import ConnectionPool, Redis, UnixDomainSocketConnection
from redis.exceptions import RedisError

from scv.errors import RefusedError
from scv.message import say
from scv.settings import Settings

_SCHEMES = {"valkey": "redis", "valkeys": "rediss"}
"""Other names of the schemes that the client knows."""

_CONNECT_SECONDS = 5.0


def connection_pool(url: str, **options: Any) -> ConnectionPool:
    """Connections to the broker, none of them made yet. Raises `RefusedError`, which repeats no part of the URL.

    With TLS (rediss) the server's certificate must be valid and its name that of the URL, unless the URL's
    `ssl_cert_reqs` or `ssl_check_hostname` says otherwise; the client's own default leaves the name unchecked.
    """
    if url.startswith("unix://"):
        # Not by `from_url`, which takes "?" and "#" in a folder's name for the end of the path.
        return ConnectionPool(UnixDomainSocketConnection, path=unquote(url.removeprefix("unix://")), **options)
    scheme, _, rest = url.partition("://")
    url = f"{_SCHEMES.get(scheme, scheme)}://{rest}"
    try:
        parts = urlsplit(url)
        if not parts.hostname or parts.path.strip("/") not in ("", *map(str, range(1000))):
            raise ValueError
        if parts.scheme == "rediss" and parse_qs(parts.query).get("ssl_cert_reqs", ["required"]) == ["required"]:
            options["ssl_check_hostname"] = True
        pool: ConnectionPool = ConnectionPool.from_url(url, **options)
        pool.make_connection()  # type: ignore[no-untyped-call]  # reads the other options, and connects to nothing
    except (ValueError, TypeError, OSError, RedisError):
        raise RefusedError(
            say(
                "SCV_REDIS_URL cannot be read. It has the form {form}, where @ / : ? # in a password are written as "
                "%40 %2F %3A %3F %23.",
                form="rediss://user:password@host:6379/0",
            )
        ) from None
    return pool


def is_outside(settings: Settings) -> bool:
    """Whether the broker is a server that others look after, reached through the network."""
    return not settings.redis_url.startswith("unix://")


def describe_broker(settings: Settings) -> str:
    """Where the broker is, without user and password; nothing of an address that cannot be read."""
    if not is_outside(settings):
        return "embedded, started by scv serve"
    try:
        parts = urlsplit(settings.redis_url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return ""
    return f"{parts.hostname}{port}{', with TLS' if parts.scheme in ('rediss', 'valkeys') else ''}"


async def refuse_absent_broker(settings: Settings) -> None:
    """Raise `RefusedError` where an outside broker cannot be used: it is away, or refuses the password or TLS."""
    if not is_outside(settings):
        return
    client = Redis(
        connection_pool=connection_pool(
            settings.redis_url, socket_timeout=_CONNECT_SECONDS, socket_connect_timeout=_CONNECT_SECONDS
        )
    )
    try:
        await client.ping()
    except (RedisError, OSError) as error:
        why = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise RefusedError(say("The broker cannot be used ({why}). Look at SCV_REDIS_URL.", why=why)) from error
    finally:
        await client.aclose(close_connection_pool=True)
