"""`scv serve`, `scv web`, `scv worker` and `scv signin-link`: the processes of a running SCV."""

import asyncio
from argparse import Namespace

from scv.commands.failure import MisuseError
from scv.settings import Settings
from scv.starting import make_data_dir, refuse_busy_port

# Each process imports only its own room: the web never loads the workers' code, nor they the pages.


def serve(arguments: Namespace) -> int:
    """Start everything and stay until Ctrl-C."""
    from scv import supervisor

    return supervisor.serve(Settings.from_environment())


def web(arguments: Namespace) -> int:
    """Serve the pages; broker and workers are somebody else's."""
    settings = Settings.from_environment()
    make_data_dir(settings)
    refuse_busy_port(settings)

    from scv.db.ready import make_ready
    from scv.jobs.broker_url import connection_pool
    from scv.web import app

    asyncio.run(make_ready(settings))
    connection_pool(settings.redis_url)  # the pages work without a broker, but not without its address

    app.run(settings)
    return 0


def worker(arguments: Namespace) -> int:
    """Take jobs from one queue; trainings on one device or on several at a time."""
    devices = tuple(filter(None, (arguments.devices or "").split(",")))
    if devices and arguments.queue != "train":
        raise MisuseError("--devices is for trainings: leave it out, or use --queue train.")
    settings = Settings.from_environment()
    make_data_dir(settings)

    from scv.db.ready import make_ready
    from scv.jobs import worker
    from scv.jobs.broker_url import refuse_absent_broker

    asyncio.run(make_ready(settings))
    asyncio.run(refuse_absent_broker(settings))

    worker.run(settings, arguments.queue, devices)
    return 0


def signin_link(arguments: Namespace) -> int:
    """Print a fresh one-time link; older unused ones stay valid until they expire."""
    from scv import supervisor

    settings = Settings.from_environment()
    print(asyncio.run(supervisor.new_signin_link(settings)))
    return 0
