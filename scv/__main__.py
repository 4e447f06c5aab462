"""The command line. Exit status: 0 fine, 1 a problem was found, 2 misuse; errors are one line on stderr."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.metadata import version
from io import TextIOWrapper
from pathlib import Path
from typing import NoReturn

try:
    from scv.commands import datasets, doctor, documents, export, predict, report, serve, starters, train
    from scv.commands.dataset_option import add_dataset
    from scv.commands.failure import FAILURES, MisuseError, as_line
    from scv.commands.settings_options import add_settings
    from scv.commands.weights_option import add_weights
except KeyboardInterrupt:
    print("scv: stopped", file=sys.stderr)
    sys.exit(130)


class _Parser(argparse.ArgumentParser):
    """Reports misuse in one line, without the usage text."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"scv: {message} (see {self.prog} --help)\n")


class _Commands:
    """The commands below `scv`, or below one of its commands. Each sets `run`, from parsed arguments to exit status."""

    def __init__(self, parent: argparse.ArgumentParser) -> None:
        self._commands = parent.add_subparsers(required=True, metavar="COMMAND")

    def add(self, name: str, run: Callable[[argparse.Namespace], int], help: str) -> argparse.ArgumentParser:
        """Add a command."""
        made: argparse.ArgumentParser = self._commands.add_parser(name, help=help, description=help)
        made.set_defaults(run=run)
        return made

    def group(self, name: str, help: str) -> "_Commands":
        """Add a command that has commands of its own."""
        return _Commands(self._commands.add_parser(name, help=help))


def parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    root = _Parser(prog="scv", description="SCV, a block-coding studio for computer vision.")
    root.add_argument("--version", action="version", version=f"scv {version('scv')}")
    commands = _Commands(root)
    _add_processes(commands)
    _add_documents(commands)
    _add_trained(commands)
    _add_datasets(commands.group("datasets", "What datasets there are, and how they come here."))
    _add_starters(commands.group("starters", "Networks to begin with."))
    examined = commands.add(
        "doctor", doctor.doctor, "Say what is installed, what is missing and which device there is."
    )
    _add_json(examined)
    return root


def _add_processes(commands: _Commands) -> None:
    """The processes of a server."""
    commands.add("serve", serve.serve, "Start everything: broker, web, workers. Ctrl-C ends it.")
    commands.add("web", serve.web, "Start the web process alone.")
    worker = commands.add("worker", serve.worker, "Start one worker alone.")
    worker.add_argument("--queue", choices=("train", "interactive"), default="train", help="which jobs it takes")
    worker.add_argument("--devices", metavar="LIST", help="one training on each at a time: cuda:0,cuda:1")
    commands.add("signin-link", serve.signin_link, "Print a fresh one-time link to sign in with.")


def _add_documents(commands: _Commands) -> None:
    """What can be done with a block document."""
    check = commands.add("check", documents.check, "Check a block document: shapes, costs, problems and their fixes.")
    code = commands.add("code", documents.code, "Write the PyTorch script of a block document.")
    trained = commands.add("train", train.train, "Train a block document here and now, without a server.")
    parse = commands.add("parse", documents.parse, "Read the block document that some PyTorch code describes.")
    parse.add_argument("code", type=Path, metavar="FILE.py", help="the code; it is read, never run")
    for made in (check, code, trained):
        made.add_argument("document", type=Path, metavar="DOC.json", help="the block document")
        add_dataset(made)
    check.add_argument(
        "--repair", dest="run", action="store_const", const=documents.repair, help="print the document repaired"
    )
    check.add_argument("-o", "--output", type=Path, metavar="FILE", help="write the repaired document there")
    code.add_argument("--notebook", action="store_true", help="write it as a Jupyter notebook, in steps")
    code.add_argument("-o", "--output", type=Path, metavar="FILE", help="write there, not to standard output")
    for made in (code, trained):
        add_settings(made)
    trained.add_argument("--data-dir", type=Path, metavar="DIR", help="where datasets lie and weights go")
    trained.add_argument("--device", metavar="NAME", help="auto, cpu, cuda or cuda:1")
    _add_json(check, parse, trained)


def _add_trained(commands: _Commands) -> None:
    """What can be done with a trained network."""
    exported = commands.add(
        "export", export.export, "Write a trained network as ONNX, safetensors, script or notebook."
    )
    export.add_export(exported)
    reported = commands.add("report", report.report, "Write the report of a trained network as one HTML file.")
    report.add_report(reported)
    predicted = commands.add("predict", predict.predict, "Ask a trained network about your own images.")
    add_weights(predicted)
    predicted.add_argument("images", type=Path, nargs="+", metavar="IMAGE", help="PNG, JPEG, WebP, BMP, GIF or TIFF")
    _add_json(exported, predicted)


def _add_datasets(commands: _Commands) -> None:
    listed = commands.add("list", datasets.list_datasets, "List the datasets and whether their files are in place.")
    fetched = commands.add("fetch", datasets.fetch, "Download a dataset's files, check them and make it ready.")
    fetched.add_argument("--mirror", metavar="URL", help="a folder that holds the files as they are published")
    taken = commands.add("import", datasets.take, "Take a dataset's files from a file, a folder or an archive.")
    for made in (fetched, taken):
        made.add_argument("name", metavar="NAME", help="the dataset")
    taken.add_argument("path", type=Path, metavar="PATH", help="where they are")
    for made in (listed, fetched, taken):
        made.add_argument("--data-dir", type=Path, metavar="DIR", help="where datasets lie")
    _add_json(listed)


def _add_starters(commands: _Commands) -> None:
    listed = commands.add("list", starters.list_starters, "List the starters and how well they do.")
    add_dataset(listed, "say how large they are for this dataset", required=False)
    shown = commands.add("show", starters.show, "Print the document of a starter.")
    shown.add_argument("name", metavar="NAME", help="the starter")
    add_dataset(shown)
    _add_json(listed)


def _add_json(*commands: argparse.ArgumentParser) -> None:
    """The option to print the result as JSON."""
    for command in commands:
        command.add_argument("--json", action="store_true", help="print the result as JSON")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    # By default torch's threads spin while they wait for each other, and small networks then take a hundred times as
    # long on busy cores. torch reads this variable when it is loaded; every subprocess inherits it.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    _make_streams_fit()
    if sys.stdout is None:
        print("scv: there is no standard output", file=sys.stderr)
        return 1
    try:
        status = _run(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("scv: stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of our output has ended, as in `scv check … | head`.
        _give_up_output()
        return 1
    except OSError as error:
        _give_up_output()
        print(f"scv: {as_line(error)}", file=sys.stderr)
        return 1
    return status


def _run(arguments: Sequence[str] | None) -> int:
    parsed = parser().parse_args(arguments)
    try:
        status: int = parsed.run(parsed)
    except FAILURES as error:
        print(f"scv: {as_line(error)}", file=sys.stderr)
        return 2 if isinstance(error, MisuseError) else 1
    return status


def _make_streams_fit() -> None:
    """Replace characters that the terminal cannot show, and discard errors where the error stream is closed."""
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 - for as long as the process lives
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


def _give_up_output() -> None:
    """Discard what is still to be written. Python would try to write it again at its end, and report an error."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
