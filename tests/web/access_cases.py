"""How each route is asked for something that is there: `method + path` and the object, the form, the success answer."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlencode

from scv.blocks.document import encode
from tests.data.image_files import noise, saved
from tests.jobs.trained import digit
from tests.web.access_world import TINY, Files, World
from tests.web.datasets.sending import zipped
from tests.web.routes import filled

Ids = Mapping[str, object]

Whose = Literal["its owner", "every user", "the owner of the instance", "everybody"]
"""Who gets the success answer."""


@dataclass(frozen=True)
class Case:
    """A request that succeeds for whom it is for.

    `of` gives what stands in the path's braces, for an object that it finds or makes; `answer` is the status.
    """

    answer: int
    of: Callable[[World], Awaitable[Ids]]
    whose: Whose = "its owner"
    fields: Mapping[str, Any] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    files: Files = ()

    def address(self, path: str, ids: Ids) -> str:
        """The path with the ids in it, and the query."""
        address = filled(path, ids)
        return f"{address}?{urlencode(self.query)}" if self.query else address


async def nothing(world: World) -> Ids:
    return {}


def fixed(**ids: object) -> Callable[[World], Awaitable[Ids]]:
    async def of(world: World) -> Ids:
        return ids

    return of


async def model(world: World) -> Ids:
    return {"model_id": (await world.new_version()).model_id, "number": 1}


def finished(**more: object) -> Callable[[World], Awaitable[Ids]]:
    async def of(world: World) -> Ids:
        return {"run_id": world.run.id, **more}

    return of


async def waiting(world: World) -> Ids:
    return {"run_id": (await world.new_run()).id}


async def paused(world: World) -> Ids:
    return {"run_id": (await world.new_run(paused=True)).id}


async def ended(world: World) -> Ids:
    return {"run_id": (await world.new_run(status="stopped")).id}


def made(**more: object) -> Callable[[World], Awaitable[Ids]]:
    """The dataset with two versions, whose images are there."""

    async def of(world: World) -> Ids:
        return {"dataset_id": world.pets.id, "number": 1, "name": f"own-{world.pets.id}-1", **more}

    return of


async def changeable(world: World) -> Ids:
    return {"dataset_id": (await world.new_dataset()).id, "number": 1}


async def waiting_task(world: World) -> Ids:
    dataset, task = await world.new_task()
    return {"dataset_id": dataset.id, "task_id": task.id}


async def stopped_task(world: World) -> Ids:
    dataset, task = await world.new_task(stopped=True)
    return {"dataset_id": dataset.id, "task_id": task.id}


async def draft(world: World) -> Ids:
    return {"dataset_id": world.draft.id, "number": 0}


async def new_draft(world: World) -> Ids:
    return {"dataset_id": (await world.new_draft()).id}


async def empty_draft(world: World) -> Ids:
    return {"dataset_id": (await world.new_draft(empty=True)).id}


OFFICIAL = fixed(name="digits", number=3, part="train", index=0)
EVERY: Whose = "every user"
OWNER: Whose = "the owner of the instance"
ALL: Whose = "everybody"
OPTIONS = {"size": "28", "fit": "crop"}
IMAGE = ("image.png", saved(noise(7)))

CASES: dict[str, tuple[Case, ...]] = {
    # Everybody's
    "GET /": (Case(200, nothing, ALL),),
    "GET /health": (Case(200, nothing, ALL),),
    "GET /static/{file_path:path}": (Case(200, fixed(file_path="fold.js"), ALL),),
    "GET /sign-in": (Case(200, nothing, ALL),),
    "POST /sign-out": (Case(303, nothing, ALL),),
    "POST /language": (Case(303, nothing, ALL, {"language": "en"}),),
    # The owner's of the instance
    "GET /workers": (Case(200, nothing, OWNER),),
    "POST /workers/runs/{run_id:int}/stop": (Case(303, waiting, OWNER),),
    "POST /workers/tasks/{task_id:int}/stop": (Case(303, waiting_task, OWNER),),
    # Tasks
    "GET /tasks": (Case(200, nothing, EVERY),),
    "POST /tasks/{task_id:int}/stop": (Case(303, waiting_task),),
    "POST /tasks/{task_id:int}/again": (Case(303, stopped_task),),
    # Models
    "GET /models": (Case(200, nothing, EVERY),),
    "GET /models/new": (Case(200, nothing, EVERY),),
    "POST /models/new": (Case(303, nothing, EVERY, {"name": "New", "dataset": "digits"}),),
    "GET /models/{model_id:int}": (Case(303, model),),
    "GET /models/{model_id:int}/dataset": (Case(200, model),),
    "POST /models/{model_id:int}/dataset": (Case(303, model, fields={"dataset": "digits"}),),
    "POST /models/{model_id:int}/rename": (Case(303, model, fields={"name": "New"}),),
    "POST /models/{model_id:int}/delete": (Case(303, model),),
    # Versions
    "GET /models/{model_id:int}/versions/{number:int}": (Case(200, model),),
    "POST /models/{model_id:int}/versions/{number:int}/operations": (
        Case(303, model, fields={"revision": 0, "action": "recommend"}),
    ),
    "POST /models/{model_id:int}/versions/{number:int}/runs": (Case(303, model, fields={"revision": 0}),),
    "GET /models/{model_id:int}/versions/{number:int}/document.json": (Case(200, model),),
    "GET /models/{model_id:int}/versions/{number:int}/script.py": (Case(200, model),),
    "GET /models/{model_id:int}/versions/{number:int}/notebook.ipynb": (Case(200, model),),
    "GET /models/{model_id:int}/versions/{number:int}/import": (Case(200, model),),
    "POST /models/{model_id:int}/versions/{number:int}/import": (
        Case(200, model, fields={"text": encode(TINY).decode()}),
        Case(303, model, fields={"take": "replace", "document": encode(TINY).decode(), "revision": 0}),
    ),
    "GET /models/{model_id:int}/versions/{number:int}/starters": (Case(200, model),),
    "POST /models/{model_id:int}/versions/{number:int}/starters": (
        Case(303, model, fields={"starter": "mlp", "revision": 0}),
    ),
    # Runs
    "GET /runs/{run_id:int}": (Case(200, finished()), Case(200, waiting)),
    "GET /runs/{run_id:int}/events": (Case(200, finished()),),
    "POST /runs/{run_id:int}/stop": (Case(303, waiting),),
    "POST /runs/{run_id:int}/pause": (Case(303, waiting),),
    "POST /runs/{run_id:int}/resume": (Case(303, paused),),
    "POST /runs/{run_id:int}/stop-series": (Case(303, waiting),),
    "POST /runs/{run_id:int}/again": (Case(303, ended),),
    "GET /runs/{run_id:int}/script.py": (Case(200, finished()),),
    "GET /runs/{run_id:int}/weights.safetensors": (Case(200, finished()),),
    "GET /runs/{run_id:int}/files/network.onnx": (Case(200, finished()),),
    "GET /runs/{run_id:int}/files/notebook.ipynb": (Case(200, finished()),),
    "GET /runs/{run_id:int}/files/{name:str}": (
        Case(200, finished(name="epochs.csv")),
        Case(200, finished(name="classes.json")),
        Case(200, finished(name="certificate.json")),
    ),
    "GET /runs/{run_id:int}/try": (Case(200, finished()),),
    "POST /runs/{run_id:int}/try": (Case(200, finished(), files=[("images", ("7.png", digit(7)))]),),
    # Reports
    "GET /runs/{run_id:int}/report": (Case(200, finished()),),
    "GET /runs/{run_id:int}/report/state": (Case(200, finished()),),
    "POST /runs/{run_id:int}/report/make": (Case(303, finished()),),
    "POST /runs/{run_id:int}/report/stop": (Case(303, finished()),),
    "GET /runs/{run_id:int}/report/files/{name:str}": (Case(200, finished(name="metrics-cells.png")),),
    "GET /runs/{run_id:int}/report.html": (Case(200, finished()),),
    # Datasets by name: official ones, and versions of users' own
    "GET /datasets": (Case(200, nothing, EVERY),),
    "GET /datasets/{name:str}": (Case(200, OFFICIAL, EVERY), Case(303, made())),
    "GET /datasets/{name:str}/state": (Case(200, OFFICIAL, EVERY),),
    "POST /datasets/{name:str}/stop": (Case(303, OFFICIAL, EVERY),),
    "GET /datasets/{name:str}/samples": (Case(200, OFFICIAL, EVERY), Case(200, made())),
    "POST /datasets/{name:str}/samples": (Case(303, OFFICIAL, EVERY),),
    "GET /datasets/{name:str}/samples.png": (Case(200, OFFICIAL, EVERY), Case(200, made())),
    "GET /datasets/{name:str}/classes/{number:int}": (Case(200, OFFICIAL, EVERY), Case(200, made())),
    "GET /datasets/{name:str}/classes/{number:int}/images": (Case(200, OFFICIAL, EVERY), Case(200, made())),
    "GET /datasets/{name:str}/images/{part:str}/{index:int}": (
        Case(200, OFFICIAL, EVERY),
        Case(200, made(part="train", index=0)),
    ),
    # Users' own datasets
    "GET /datasets/new": (Case(200, nothing, EVERY),),
    "POST /datasets/new": (Case(303, nothing, EVERY, {"name": "New"}),),
    "POST /datasets/new/zip": (Case(303, nothing, EVERY, files=[("file", ("new.zip", zipped()))]),),
    "GET /datasets/own/{dataset_id:int}": (Case(200, made()),),
    "GET /datasets/own/{dataset_id:int}/versions/{number:int}": (Case(200, made()),),
    "GET /datasets/own/{dataset_id:int}/versions/{number:int}/images.zip": (Case(200, made()),),
    "GET /datasets/own/{dataset_id:int}/state": (Case(200, waiting_task),),
    "POST /datasets/own/{dataset_id:int}/stop": (Case(303, waiting_task),),
    "POST /datasets/own/{dataset_id:int}/again": (Case(303, stopped_task),),
    "POST /datasets/own/{dataset_id:int}/rename": (Case(303, changeable, fields={"name": "New"}),),
    "POST /datasets/own/{dataset_id:int}/names": (Case(303, changeable, fields={"version": 2, "class:0": "cat"}),),
    "POST /datasets/own/{dataset_id:int}/drop": (Case(303, changeable, fields={"version": 2, "image": "train-0"}),),
    "POST /datasets/own/{dataset_id:int}/publish": (Case(303, changeable, fields={"published": "yes"}),),
    "POST /datasets/own/{dataset_id:int}/versions/{number:int}/delete": (Case(303, changeable),),
    "GET /datasets/own/{dataset_id:int}/delete": (Case(200, changeable),),
    "POST /datasets/own/{dataset_id:int}/delete": (Case(303, changeable),),
    # Drafts
    "GET /datasets/own/{dataset_id:int}/collect": (Case(200, draft),),
    "GET /datasets/own/{dataset_id:int}/preview": (Case(200, draft),),
    "GET /datasets/own/{dataset_id:int}/images": (Case(200, draft, query={"class": "a", "file": "000001.png"}),),
    "GET /datasets/own/{dataset_id:int}/samples/{number:int}": (Case(200, draft, query=OPTIONS),),
    "POST /datasets/own/{dataset_id:int}/classes": (Case(303, new_draft, fields={"name": "c"}),),
    "POST /datasets/own/{dataset_id:int}/classes/rename": (Case(303, new_draft, fields={"class": "a", "name": "c"}),),
    "POST /datasets/own/{dataset_id:int}/classes/remove": (Case(303, new_draft, fields={"class": "a"}),),
    "POST /datasets/own/{dataset_id:int}/images": (
        Case(303, new_draft, fields={"class": "a"}, files=[("images", IMAGE)]),
    ),
    "POST /datasets/own/{dataset_id:int}/images/remove": (
        Case(303, new_draft, fields={"class": "a", "file": "000001.png"}),
    ),
    "POST /datasets/own/{dataset_id:int}/options": (Case(303, new_draft, fields=OPTIONS),),
    "POST /datasets/own/{dataset_id:int}/zip": (Case(303, empty_draft, files=[("file", ("new.zip", zipped()))]),),
    "POST /datasets/own/{dataset_id:int}/make": (Case(303, new_draft, fields=OPTIONS),),
    "POST /datasets/own/{dataset_id:int}/discard": (Case(303, new_draft),),
}

SEEN_WHEN_PUBLISHED = {
    "GET /datasets/own/{dataset_id:int}",
    "GET /datasets/own/{dataset_id:int}/versions/{number:int}",
    "GET /datasets/own/{dataset_id:int}/versions/{number:int}/images.zip",
}
"""What others may do with a published dataset; everything else below its address is refused to them."""
