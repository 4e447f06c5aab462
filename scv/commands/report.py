"""`scv report`: the report of a trained network as one HTML file, without a server."""

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from tempfile import TemporaryDirectory

from scv.commands.failure import MisuseError
from scv.commands.weights_option import add_weights, data_dir_of, weights_of
from scv.data.atomic import write_atomically
from scv.message import foreign
from scv.settings import ROOT

LANGUAGES = ("en", "ko")


def add_report(parser: ArgumentParser) -> None:
    """Add the arguments of `scv report`."""
    add_weights(parser)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE.html", help="where it is written to")
    parser.add_argument("--language", choices=LANGUAGES, default="en", help="in which language")


def report(arguments: Namespace) -> int:
    """Make the report in a temporary folder and write it as one file. Returns 1 where a section failed."""
    data_dir, output = data_dir_of(arguments), arguments.output
    path = weights_of(arguments.weights, data_dir)
    if output.exists() and not output.is_file():
        raise MisuseError(f"{output} is not a file.")
    if not output.absolute().parent.is_dir():
        raise MisuseError(f"There is no folder {output.absolute().parent}.")

    # Imported here: torch and the pages' libraries take seconds, and no other command needs both.
    from scv.jobs.open_dataset import images_of
    from scv.ml.report.report import ReportError, make_report
    from scv.ml.trained import load_trained
    from scv.web.http.language import load_languages
    from scv.web.renderer import make_renderer
    from scv.web.reports.html_file import report_html

    trained = load_trained(path)
    resident = images_of(data_dir, trained.info.dataset)
    renderer = make_renderer(load_languages(ROOT / "translations"))
    said: list[str] = []

    def on_section(section: str, done: float, of_all: float) -> None:
        if section not in said:
            said.append(section)
            print(f"scv: {section} ({of_all:.0%})", file=sys.stderr)

    with TemporaryDirectory(prefix="scv-report-") as name:
        try:
            contents = make_report(trained, resident, Path(name), on_section=on_section)
        except ReportError as error:
            raise MisuseError(str(error.message)) from None
        title = f"{foreign(resident.name)} · {foreign(path.parent.name)}"
        write_atomically(output, report_html(renderer, arguments.language, Path(name), title))
    failed = [state.name for state in contents.sections if state.state == "failed"]
    if failed:
        print(f"scv: {', '.join(failed)} could not be made", file=sys.stderr)
    print(output)
    return 1 if failed else 0
