"""A person's own dataset in a list, and where its pages are."""

from dataclasses import dataclass

from scv.data.official.catalogue import DatasetInfo
from scv.db import datasets
from scv.db.access import owns
from scv.db.tables import Dataset, DatasetVersion, User
from scv.web.datasets.lookup import own_info
from scv.web.http.services import Services


@dataclass(frozen=True)
class OwnCard:
    """A dataset and its newest version, if there is one yet."""

    dataset: Dataset
    info: DatasetInfo | None

    @property
    def pending(self) -> bool:
        """Whether a version is being made."""
        return any(version.status == "making" for version in self.dataset.versions)

    @property
    def href(self) -> str:
        return page_of(self.dataset)


def own_card(dataset: Dataset) -> OwnCard:
    newest = dataset.newest
    return OwnCard(dataset, None if newest is None else own_info(newest))


def page_of(dataset: Dataset) -> str:
    """The address of its newest version, or of the draft while there is none."""
    return f"/datasets/own/{dataset.id}" if dataset.versions else f"/datasets/own/{dataset.id}/collect"


def version_page(version: DatasetVersion) -> str:
    return f"/datasets/own/{version.dataset_id}/versions/{version.number}"


async def own_page_for(services: Services, user: User, name: str) -> str:
    """The address of a version's page, by its name. Raises `NotFoundError`."""
    async with services.database.reading() as session:
        return version_page(await datasets.get_visible_dataset_version(session, user, name))


async def dropping_address(services: Services, user: User, name: str) -> str | None:
    """Where images of the version can be dropped: its owner may do so while it is the newest."""
    async with services.database.reading() as session:
        version = await datasets.get_visible_dataset_version(session, user, name)
        dataset = await datasets.get_visible_dataset(session, user, version.dataset_id)
    newest = dataset.newest
    if not owns(user, dataset) or newest is None or newest.name != name:
        return None
    return f"/datasets/own/{dataset.id}/drop"
