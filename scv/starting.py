"""Checks before a process starts, so that a problem is reported in one line."""

import socket

from scv.errors import RefusedError
from scv.message import say
from scv.settings import Settings


def make_data_dir(settings: Settings) -> None:
    """Create the data folder where it does not exist. Raises `RefusedError`."""
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise RefusedError(
            say("The folder {folder} cannot be made: {why}.", folder=str(settings.data_dir), why=error.strerror)
        ) from error


def refuse_busy_port(settings: Settings) -> None:
    """Raise `RefusedError` where the port cannot be used."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise RefusedError(
                say(
                    "Port {port} of {host} cannot be used ({why}). Set SCV_PORT to another one.",
                    port=settings.port,
                    host=settings.host,
                    why=error.strerror,
                )
            ) from None
