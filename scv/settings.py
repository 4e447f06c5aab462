"""All settings of a process, read once from `SCV_*` environment variables. Nothing else reads the environment."""

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Self, get_type_hints

from scv.errors import RefusedError

ROOT = Path(__file__).resolve().parent.parent
"""The project folder, which holds `scv/`, `templates/`, `static/` and `translations/`."""


RANGES: dict[str, tuple[float, float]] = {
    "port": (1, 65535),
    "lease_seconds": (1, 3600),
    "attempts": (1, 1000),
    "checkpoint_seconds": (0, 86_400),
    "silence_seconds": (1, 86_400),
    "memory_mb": (0, 10_000_000),
    "run_minutes": (0.01, 10_080),
    "run_multiply_adds": (0, 1e30),
    "running_per_user": (1, 1000),
    "queued_per_user": (1, 100_000),
    "upload_mb": (1, 1_000_000),
    "datasets_mb": (1, 100_000_000),
    "session_days": (1, 3650),
    "signin_link_minutes": (1, 525_600),
}
"""The smallest and the largest value of a number."""

CHOICES: dict[str, tuple[str, ...]] = {"log_format": ("console", "json"), "reports": ("always", "opened")}
"""The allowed values of a word."""


SECRETS = ("database_url", "redis_url")
"""Settings that may hold a password. They are never shown, and only processes that need them inherit them."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Each field has a variable: `data_dir` is `SCV_DATA_DIR`. docs/SETTINGS.md explains them."""

    data_dir: Path = Path("data")
    host: str = "127.0.0.1"
    port: int = 8000
    database_url: str = field(default="", repr=False)
    redis_url: str = field(default="", repr=False)
    fork_server: str = ""
    device: str = "auto"
    lease_seconds: float = 10.0
    attempts: int = 3
    checkpoint_seconds: float = 30.0
    silence_seconds: float = 1800.0
    memory_mb: int = 0
    run_minutes: float = 1440.0
    run_multiply_adds: float = 1e17
    running_per_user: int = 2
    queued_per_user: int = 20
    reports: str = "always"
    upload_mb: int = 2000
    datasets_mb: int = 10000
    session_days: int = 30
    signin_link_minutes: int = 1440
    log_format: str = "console"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Read all settings. Raises `RefusedError` with the name of the variable that is wrong."""
        types = get_type_hints(cls)
        values: dict[str, Any] = {}
        for name in (declared.name for declared in fields(cls)):
            variable = _variable(name)
            text = environment.get(variable, "")
            if not text:
                continue
            try:
                values[name] = types[name](text)
            except ValueError:
                kind = types[name].__name__
                raise RefusedError(f"{variable} is {text[:40]!r}, but must be of type {kind}.") from None
            least, most = RANGES.get(name, (0, 0))
            if name in RANGES and not least <= values[name] <= most:
                raise RefusedError(f"{variable} is {text[:40]!r}, but must be from {least} to {most}.")
            if name in CHOICES and values[name] not in CHOICES[name]:
                raise RefusedError(f"{variable} is {text[:40]!r}, but must be {' or '.join(CHOICES[name])}.")
        try:
            return cls(**values).resolved()
        except (OSError, RuntimeError) as error:
            raise RefusedError(f"SCV_DATA_DIR names no folder: {error}") from None

    def resolved(self) -> Self:
        """Fill in the settings that depend on the data folder. Paths become absolute, so processes agree on them."""
        data_dir = self.data_dir.expanduser().resolve()
        return replace(
            self,
            data_dir=data_dir,
            database_url=self.database_url or f"sqlite+aiosqlite:///{data_dir / 'scv.sqlite3'}",
            redis_url=self.redis_url or f"unix://{data_dir / 'broker' / 'valkey.sock'}",
        )

    def environment(self, secrets: Collection[str] = SECRETS) -> dict[str, str]:
        """The settings as environment variables for a subprocess; of `SECRETS` only those in `secrets`."""
        names = [declared.name for declared in fields(self)]
        names = [name for name in names if name not in SECRETS or name in secrets]
        return {_variable(name): str(getattr(self, name)) for name in names}


def _variable(name: str) -> str:
    return f"SCV_{name.upper()}"


def environment_without_secrets(*, database: bool = False) -> dict[str, str]:
    """The environment for a subprocess, without the passwords of database and broker.

    `database` says that the subprocess connects to the database: then it keeps PGPASSWORD, libpq's own variable.
    """
    secret = {*map(_variable, SECRETS)} | (set() if database else {"PGPASSWORD"})
    return {name: value for name, value in os.environ.items() if name not in secret}
