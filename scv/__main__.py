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
    """Reports misuse in one line, without the usage text in between."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"scv: {message} (see {self.prog} --help)\n")


def parser() -> argparse.ArgumentParser:
    """All commands. Each sets `run`, a function from the parsed arguments to the exit status."""
    root = _Parser(prog="scv", description="SCV, a block-coding studio for computer vision.")
    root.add_argument("--version", action="version", version=f"scv {version('scv')}")
    commands = root.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[argparse.Namespace], int], help: str) -> argparse.ArgumentParser:
        made: argparse.ArgumentParser = commands.add_parser(name, help=help, description=help)
        made.set_defaults(run=run)
        return made

    command("serve", serve.serve, "Start everything: broker, web, workers. Ctrl-C ends it.")
    command("web", serve.web, "Start the web process alone.")
    worker = command("worker", serve.worker, "Start one worker alone.")
    worker.add_argument("--queue", choices=("train", "interactive"), default="train", help="which jobs it takes")
    worker.add_argument("--devices", metavar="LIST", help="one training on each at a time: cuda:0,cuda:1")
    command("signin-link", serve.signin_link, "Print a fresh one-time link to sign in with.")

    check = command("check", documents.check, "Check a block document: shapes, costs, problems and their fixes.")
    code = command("code", documents.code, "Write the PyTorch script of a block document.")
    trained = command("train", train.train, "Train a block document here and now, without a server.")
    parse = command("parse", documents.parse, "Read the block document that some PyTorch code describes.")
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

    exported = command("export", export.export, "Write a trained network as ONNX, safetensors, script or notebook.")
    export.add_export(exported)
    told = command("report", report.report, "Write the report of a trained network as one HTML file.")
    report.add_report(told)
    asked = command("predict", predict.predict, "Ask a trained network about your own pictures.")
    add_weights(asked)
    asked.add_argument("pictures", type=Path, nargs="+", metavar="IMAGE", help="PNG, JPEG, WebP, BMP, GIF or TIFF")

    listing = commands.add_parser("datasets", help="What datasets there are, and how they come here.").add_subparsers(
        required=True, metavar="COMMAND"
    )
    listed = listing.add_parser("list", help="List the datasets and whether their files are in place.")
    listed.set_defaults(run=datasets.list_datasets)
    fetched = listing.add_parser("fetch", help="Download a dataset's files, check them and make it ready.")
    fetched.set_defaults(run=datasets.fetch)
    fetched.add_argument("--mirror", metavar="URL", help="a folder that holds the files as they are published")
    taken = listing.add_parser("import", help="Take a dataset's files from a file, a folder or an archive.")
    taken.set_defaults(run=datasets.take)
    for made in (fetched, taken):
        made.add_argument("name", metavar="NAME", help="the dataset")
    taken.add_argument("path", type=Path, metavar="PATH", help="where they are")
    for made in (listed, fetched, taken):
        made.add_argument("--data-dir", type=Path, metavar="DIR", help="where datasets lie")

    offered = commands.add_parser("starters", help="Networks to begin with.").add_subparsers(
        required=True, metavar="COMMAND"
    )
    begun = offered.add_parser("list", help="List the starters and how well they do.")
    begun.set_defaults(run=starters.list_starters)
    add_dataset(begun, "say how large they are for this dataset", required=False)
    shown = offered.add_parser("show", help="Print the document of a starter.")
    shown.set_defaults(run=starters.show)
    shown.add_argument("name", metavar="NAME", help="the starter")
    add_dataset(shown)
    examined = command("doctor", doctor.doctor, "Say what is installed, what is missing and which device there is.")
    for made in (check, parse, trained, exported, asked, listed, begun, examined):
        made.add_argument("--json", action="store_true", help="print the result as JSON")
    return root


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    # torch's threads would spin while they wait for each other: on busy cores small networks then take a
    # hundred times as long. Read when torch is loaded, and inherited by every process started from here.
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
        # Whoever read our output has gone, as in `scv check … | head`.
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
    """A terminal that cannot show a character shows another one instead; a closed error stream swallows all."""
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 - for as long as the process lives
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


def _give_up_output() -> None:
    """What is still to be written goes nowhere: Python would try it once more at its end, and complain."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
