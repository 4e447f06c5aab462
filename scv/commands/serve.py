"""`scv serve`, `scv web`, `scv worker` and `scv signin-link`: the processes of a running SCV."""

import asyncio
from argparse import Namespace

from scv.commands.failure import MisuseError
from scv.settings import Settings
from scv.starting import make_data_dir, refuse_busy_port

# Each process imports its own code only: the web process never loads the workers' code, nor they the pages.


def serve(arguments: Namespace) -> int:
    """Start broker, web process and workers, and stay until Ctrl-C."""
    from scv import supervisor

    return supervisor.serve(Settings.from_environment())


def web(arguments: Namespace) -> int:
    """Serve the pages; broker and workers run elsewhere."""
    settings = Settings.from_environment()
    make_data_dir(settings)
    refuse_busy_port(settings)

    from scv.db.ready import make_ready
    from scv.jobs.broker_url import connection_pool
    from scv.web import app

    asyncio.run(make_ready(settings))
    connection_pool(settings.redis_url)  # raises for a malformed address; an absent broker is no error

    app.run(settings)
    return 0


def worker(arguments: Namespace) -> int:
    """Take jobs from one queue. `--devices` sets the devices that train, one run on each."""
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
    """Print a new one-time link. Older unused links stay valid until they expire."""
    from scv import supervisor

    settings = Settings.from_environment()
    print(asyncio.run(supervisor.new_signin_link(settings)))
    return 0
