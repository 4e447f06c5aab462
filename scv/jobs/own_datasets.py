"""A person's own dataset as its pages and the workers both know it: its draft, and the form of its images."""

from typing import Literal, cast

from scv.data.own.draft import Draft
from scv.data.own.importing import ImageOptions
from scv.db.tables import Dataset
from scv.files import Files, draft_folder


def draft_of(files: Files, dataset_id: int) -> Draft:
    """What waits to be made into a version, whether there is anything or not."""
    return Draft(files.path(draft_folder(dataset_id)))


def options_of(dataset: Dataset) -> ImageOptions:
    """The form that the dataset's images have."""
    fit = cast("Literal['crop', 'pad', 'stretch']", dataset.fit)
    return ImageOptions(size=dataset.image_size, color=dataset.color, fit=fit)
