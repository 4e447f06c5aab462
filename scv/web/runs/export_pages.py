"""The files of a run: what can be taken away beside its script and its weights, for its owner alone."""

from asyncio import to_thread

from litestar import Controller, Response, get
from litestar.params import FromPath
from litestar.response import File

from scv.db import runs
from scv.db.tables import Run, User
from scv.errors import NotFoundError
from scv.files import report_folder
from scv.message import say
from scv.web.datasets.lookup import dataset_of
from scv.web.http.context import AppServices, SignedIn
from scv.web.http.forms import file_name
from scv.web.http.services import Services
from scv.web.runs.downloads import as_file, as_notebook
from scv.web.runs.exports import ONNX, table

MEDIA_TYPES = {"csv": "text/csv", "json": "application/json"}


async def _run_for(services: Services, user: User, run_id: int) -> Run:
    async with services.database.reading() as session:
        return await runs.get_visible_run(session, user, run_id)


class ExportController(Controller):
    path = "/runs/{run_id:int}/files"

    @get(f"/{ONNX}")
    async def onnx(self, user: SignedIn, services: AppServices, run_id: FromPath[int]) -> File:
        """The network as ONNX, which the report made and compared with the network."""
        run = await _run_for(services, user, run_id)
        path = services.files.path(report_folder(run_id)) / ONNX
        if not path.is_file():
            raise NotFoundError(say("There is no ONNX file of this run yet: it is made together with the report."))
        return File(path, filename=_named(run, "", "onnx"), media_type="application/octet-stream")

    @get("/notebook.ipynb")
    async def notebook(self, user: SignedIn, services: AppServices, run_id: FromPath[int]) -> Response[bytes]:
        """The notebook that trains the same network with the same settings by itself."""
        run = await _run_for(services, user, run_id)
        return as_notebook(run.version.model.name, dataset_of(run), run.document, run.settings)

    @get("/{name:str}")
    async def figures(
        self, user: SignedIn, services: AppServices, run_id: FromPath[int], name: FromPath[str]
    ) -> Response[bytes]:
        """Figures of the run and its report as CSV or JSON, and the certificate."""
        run = await _run_for(services, user, run_id)
        content = await to_thread(table, name, run, services.files)
        if content is None:
            raise NotFoundError(say("This run has no such file, or not yet."))
        kind, _, form = name.partition(".")
        return as_file(content, MEDIA_TYPES[form], _named(run, kind, form))


def _named(run: Run, kind: str, ending: str) -> str:
    return file_name(f"{run.version.model.name} run {run.id} {kind}", ending)
