"""`scv serve`, `scv web`, `scv worker` and `scv signin-link`: the processes of a running SCV."""

import asyncio
from argparse import Namespace

from scv.settings import Settings

# Each process imports only its own room: the web never loads the workers' code, nor they the pages.


def serve(arguments: Namespace) -> int:
    """Start everything and stay until Ctrl-C."""
    from scv import supervisor

    return supervisor.serve(Settings.from_environment())


def web(arguments: Namespace) -> int:
    """Serve the pages; broker and workers are somebody else's."""
    from scv.web import app

    app.run(Settings.from_environment())
    return 0


def worker(arguments: Namespace) -> int:
    """Take jobs from one queue."""
    from scv.jobs import worker

    worker.run(Settings.from_environment(), arguments.queue)
    return 0


def signin_link(arguments: Namespace) -> int:
    """Print a fresh one-time link; older unused ones stay valid until they expire."""
    from scv import supervisor

    settings = Settings.from_environment()
    print(asyncio.run(supervisor.new_signin_link(settings)))
    return 0
