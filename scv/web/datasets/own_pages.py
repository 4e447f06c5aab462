"""A person's own dataset: look at its versions, change it, publish it, take it away, delete it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from litestar import Controller, Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect, Stream
from litestar_htmx import ClientRedirect

from scv.data.official.catalogue import DatasetInfo
from scv.data.own.archives import ImagesError
from scv.data.own.changes import Changes
from scv.data.own.class_names import class_name
from scv.data.own.summary import ImportSummary, taken, warnings_of
from scv.data.resident import Resident
from scv.data.resident_writer import remove_resident
from scv.db import datasets, tasks
from scv.db.access import owns
from scv.db.tables import Dataset, DatasetVersion, Model, User
from scv.errors import ConflictError, NotFoundError, RefusedError
from scv.files import report_folder
from scv.jobs.own_datasets import draft_of
from scv.message import Message, say
from scv.web.datasets.browse import ClassRow, count, opened
from scv.web.datasets.lookup import own_info
from scv.web.datasets.own_card import page_of
from scv.web.datasets.own_task import pending_version, work_on
from scv.web.datasets.zip_stream import zip_of
from scv.web.http.context import AppServices, Context, SignedIn
from scv.web.http.forms import file_name, read_form
from scv.web.http.render import AnyRequest, RequestContext
from scv.web.http.services import Services
from scv.web.tasks.kinds import NOTHING_TO_TRY, kind_of
from scv.web.tasks.view import TaskView, wake_worker


@dataclass(frozen=True)
class OwnPage:
    """One version of a dataset, the newest unless another was asked for; None while there is none yet.

    `classes` are there if its files are. `models` are those that learn, or have learned, from any version, with the
    names of their owners; others than the dataset's owner see only their own. `pending` is the version that is being
    made, and `task` the work on it, or why the last one could not be made.
    """

    dataset: Dataset
    mine: bool
    version: DatasetVersion | None
    info: DatasetInfo | None
    resident: Resident | None
    classes: tuple[ClassRow, ...]
    summary: tuple[Message, ...]
    warnings: tuple[Message, ...]
    pending: DatasetVersion | None
    task: TaskView | None
    models: tuple[tuple[Model, str], ...]
    problem: Message | None

    @property
    def newest(self) -> bool:
        return self.version is self.dataset.newest

    @property
    def ready(self) -> tuple[DatasetVersion, ...]:
        """The versions that are there, the newest first."""
        return tuple(version for version in reversed(self.dataset.versions) if version.status == "ready")

    @property
    def href(self) -> str:
        return f"/datasets/own/{self.dataset.id}"


@dataclass(frozen=True)
class DeletePage:
    """What goes with the dataset, before it goes."""

    dataset: Dataset
    models: tuple[tuple[Model, str], ...]


class OwnDatasetController(Controller):
    path = "/datasets/own/{dataset_id:int}"

    @get()
    async def show(
        self, context: Context, user: SignedIn, services: AppServices, dataset_id: FromPath[int]
    ) -> Response[Any]:
        async with services.database.reading() as session:
            dataset = await datasets.get_visible_dataset(session, user, dataset_id)
        if not dataset.versions and owns(user, dataset):
            return Redirect(page_of(dataset), status_code=303)
        return await _respond(services, context, user, dataset, dataset.newest)

    @get("/versions/{number:int}")
    async def show_version(
        self,
        context: Context,
        user: SignedIn,
        services: AppServices,
        dataset_id: FromPath[int],
        number: FromPath[int],
    ) -> Response[str]:
        async with services.database.reading() as session:
            dataset = await datasets.get_visible_dataset(session, user, dataset_id)
        return await _respond(services, context, user, dataset, _version(dataset, number))

    @get("/state")
    async def state(
        self, context: Context, user: SignedIn, services: AppServices, dataset_id: FromPath[int]
    ) -> Response[Any]:
        """How far the making is, for the page to ask again and again; then the page is loaded anew."""
        try:
            async with services.database.reading() as session:
                dataset = await datasets.get_editable_dataset(session, user, dataset_id)
        except NotFoundError:  # refused, and nothing of it is left: the list says why
            gone = ClientRedirect("/datasets")
            gone.status_code = 404
            return gone
        task = await work_on(services, dataset)
        if task is None or not task.working:
            return ClientRedirect(page_of(dataset))
        return services.renderer.respond(context, "components/task.html", task)

    @post("/stop")
    async def stop(self, user: SignedIn, services: AppServices, dataset_id: FromPath[int]) -> Redirect:
        """Give up the version that is being made; what it was to be made of is still there."""
        async with services.database.writing() as session:
            dataset = await datasets.lock_editable_dataset(session, user, dataset_id)
            version = pending_version(dataset)
            if version is not None:
                await datasets.stop_version(session, version)
        return Redirect(f"/datasets/own/{dataset_id}", status_code=303)

    @post("/again")
    async def try_again(self, user: SignedIn, services: AppServices, dataset_id: FromPath[int]) -> Redirect:
        """Try once more to make the version that was given up last."""
        async with services.database.writing() as session:
            dataset = await datasets.lock_editable_dataset(session, user, dataset_id)
            given_up = await tasks.find(session, "version", datasets.resident_name(dataset.id, dataset.last_number))
            if given_up is None or not kind_of(given_up).can_try_again(services.files, given_up):
                raise RefusedError(NOTHING_TO_TRY)
            await datasets.begin_version_again(session, user, given_up)
        await wake_worker(services)
        return Redirect(f"/datasets/own/{dataset_id}", status_code=303)

    @post("/rename", status_code=200)
    async def rename(
        self, request: AnyRequest, context: Context, user: SignedIn, services: AppServices, dataset_id: FromPath[int]
    ) -> Response[Any]:
        form = await read_form(request)
        problem: Message | None = None
        async with services.database.writing() as session:
            dataset = await datasets.lock_editable_dataset(session, user, dataset_id)
            try:
                await datasets.rename_dataset(session, dataset, form.get("name", ""))
            except RefusedError as error:
                problem = error.message
        if problem is not None:
            return await _respond(services, context, user, dataset, dataset.newest, problem)
        return Redirect(f"/datasets/own/{dataset_id}", status_code=303)

    @post("/names", status_code=200)
    async def rename_classes(
        self, request: AnyRequest, context: Context, user: SignedIn, services: AppServices, dataset_id: FromPath[int]
    ) -> Response[Any]:
        """Give classes other names, in a new version; two that get the same name become one."""
        form = await read_form(request)

        def renamed(version: DatasetVersion) -> Changes:
            typed = {
                name: class_name(form[f"class:{label}"])
                for label, name in enumerate(version.class_names)
                if f"class:{label}" in form
            }
            return Changes(renamed={old: new for old, new in typed.items() if old != new})

        return await _change(services, context, user, dataset_id, form.get("version"), renamed)

    @post("/drop", status_code=200)
    async def drop(
        self, request: AnyRequest, context: Context, user: SignedIn, services: AppServices, dataset_id: FromPath[int]
    ) -> Response[Any]:
        """Leave the chosen images out, in a new version."""
        form = await request.form()
        chosen = [value for value in form.getall("image", []) if isinstance(value, str)]

        def dropped(version: DatasetVersion) -> Changes:
            sizes = {"train": sum(version.train) + sum(version.validation), "test": sum(version.test)}
            dropped: dict[str, list[int]] = {}
            for text in chosen:
                part, _, index = text.partition("-")
                if part not in sizes or not index.isdecimal() or not 0 <= int(index[:9]) < sizes[part]:
                    raise RefusedError(say("There is no such image."))
                dropped.setdefault(part, []).append(int(index))
            return Changes(dropped={part: sorted(set(indices)) for part, indices in dropped.items()})

        return await _change(services, context, user, dataset_id, form.get("version"), dropped)

    @post("/publish")
    async def publish(
        self, request: AnyRequest, user: SignedIn, services: AppServices, dataset_id: FromPath[int]
    ) -> Redirect:
        """Show it to everybody on this server, or to nobody else any more."""
        form = await read_form(request)
        async with services.database.writing() as session:
            dataset = await datasets.lock_owned_dataset(session, user, dataset_id)
            await datasets.publish_dataset(session, dataset, published=form.get("published") == "yes")
        return Redirect(f"/datasets/own/{dataset_id}", status_code=303)

    @get("/versions/{number:int}/images.zip")
    async def export(
        self, user: SignedIn, services: AppServices, dataset_id: FromPath[int], number: FromPath[int]
    ) -> Stream:
        """All images as a zip of class folders, as they are; taken in again they give the same dataset."""
        async with services.database.reading() as session:
            dataset = await datasets.get_visible_dataset(session, user, dataset_id)
        version = _version(dataset, number)
        resident = opened(services.settings.data_dir, version.name)
        if resident is None:
            raise NotFoundError(say("There are no images."))
        name = file_name(f"{dataset.name} {number}", "zip")
        return Stream(
            zip_of(resident),
            media_type="application/zip",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    @post("/versions/{number:int}/delete")
    async def delete_version(
        self, user: SignedIn, services: AppServices, dataset_id: FromPath[int], number: FromPath[int]
    ) -> Redirect:
        """Delete an older version that nothing uses."""
        async with services.database.writing() as session:
            dataset = await datasets.lock_editable_dataset(session, user, dataset_id)
            name = await datasets.delete_version(session, dataset, number)
        remove_resident(services.settings.data_dir, name)
        return Redirect(f"/datasets/own/{dataset_id}", status_code=303)

    @get("/delete")
    async def ask_before_deleting(
        self, context: Context, user: SignedIn, services: AppServices, dataset_id: FromPath[int]
    ) -> Response[str]:
        async with services.database.reading() as session:
            dataset = await datasets.get_owned_dataset(session, user, dataset_id)
            page = DeletePage(dataset, tuple(await datasets.models_on(session, user, dataset)))
        return services.renderer.respond(context, "datasets/delete.html", page)

    @post("/delete")
    async def delete(self, user: SignedIn, services: AppServices, dataset_id: FromPath[int]) -> Redirect:
        """Delete it for good, then every file of it."""
        async with services.database.writing() as session:
            dataset = await datasets.lock_owned_dataset(session, user, dataset_id)
            reports = await datasets.runs_on(session, dataset)
            names = await datasets.delete_dataset(session, dataset)
        for name in names:
            remove_resident(services.settings.data_dir, name)
        for run_id in reports:  # they show the images
            services.files.delete(report_folder(run_id))
        draft_of(services.files, dataset_id).discard()
        return Redirect("/datasets", status_code=303)


def _version(dataset: Dataset, number: int) -> DatasetVersion:
    for version in dataset.versions:
        if version.number == number and version.status == "ready":
            return version
    raise NotFoundError(say("There is no such version."))


async def _change(
    services: Services,
    context: RequestContext,
    user: User,
    dataset_id: int,
    seen: object,
    changes_of: Callable[[DatasetVersion], Changes],
) -> Response[Any]:
    """Have a new version made of the newest one, which the form must have seen; or say why that cannot be."""
    refusal: ConflictError | ImagesError | RefusedError | None = None
    async with services.database.writing() as session:
        dataset = await datasets.lock_editable_dataset(session, user, dataset_id)
        newest = dataset.newest
        try:
            if newest is None or seen != str(newest.number):
                raise ConflictError(say("This was changed elsewhere in the meantime. Here is its present state."))
            changes = changes_of(newest)
            if changes == Changes():
                raise RefusedError(say("Nothing was chosen or changed."))
            await datasets.begin_version(session, dataset, msgspec.json.encode(changes).decode())
        except (ConflictError, ImagesError, RefusedError) as error:
            refusal = error
    if refusal is not None:
        status = 409 if isinstance(refusal, ConflictError) else 422
        return await _respond(services, context, user, dataset, newest, refusal.message, status=status)
    await wake_worker(services)
    return Redirect(f"/datasets/own/{dataset_id}", status_code=303)


async def _respond(
    services: Services,
    context: RequestContext,
    user: User,
    dataset: Dataset,
    version: DatasetVersion | None,
    problem: Message | None = None,
    *,
    status: int = 422,
) -> Response[str]:
    mine = owns(user, dataset)
    async with services.database.reading() as session:
        using = await datasets.models_on(session, user, dataset)
    resident = None if version is None else opened(services.settings.data_dir, version.name)
    summary = (
        None if version is None or version.summary is None else msgspec.json.decode(version.summary, type=ImportSummary)
    )
    page = OwnPage(
        dataset=dataset,
        mine=mine,
        version=version,
        info=None if version is None else own_info(version),
        resident=resident,
        classes=count(resident) if resident else (),
        summary=tuple(taken(summary)) if summary else (),
        warnings=tuple(warnings_of(summary)) if summary else (),
        pending=pending_version(dataset) if mine else None,
        task=await work_on(services, dataset) if mine else None,
        models=tuple(using),
        problem=problem,
    )
    return services.renderer.respond(context, "datasets/own.html", page, status=status if problem else 200)
