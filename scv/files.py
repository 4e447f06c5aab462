"""Artefacts by key: weights, checkpoints, images. A key is a relative path such as `runs/7/weights.safetensors`."""

import re
import shutil
from pathlib import Path

_PART = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")


def run_folder(run_id: int) -> str:
    """The key prefix of everything a run leaves behind."""
    return f"runs/{run_id}"


def draft_folder(dataset_id: int) -> str:
    """The key prefix of images that wait to be made into a version of a person's own dataset."""
    return f"drafts/{dataset_id}"


def weights_key(run_id: int) -> str:
    """The key of a run's best weights."""
    return f"{run_folder(run_id)}/weights.safetensors"


def report_folder(run_id: int) -> str:
    """The key prefix of a run's report."""
    return f"{run_folder(run_id)}/report"


def unfinished_keys(run_id: int) -> tuple[str, ...]:
    """The keys of what a training works with, of no use once the run has ended."""
    names = ("checkpoint.safetensors", "checkpoint.before.safetensors", "scratch")
    return tuple(f"{run_folder(run_id)}/{name}" for name in names)


class Files:
    """Files below one root folder; what lies outside of it cannot be named."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, key: str) -> Path:
        """Where the key's file or folder lies, whether it exists or not.

        Raises `ValueError` for a key that is not plain names joined by single slashes.
        """
        parts = key.split("/")
        if not all(_PART.fullmatch(part) for part in parts):
            raise ValueError(f"not a key: {key!r}")
        return self.root.joinpath(*parts)

    def folder(self, key: str) -> Path:
        """The key's folder, made if it is not there."""
        path = self.path(key)
        path.mkdir(parents=True, exist_ok=True)
        return path

    def existing(self, key: str) -> str | None:
        """The key where there is something under it, else None."""
        return key if self.path(key).exists() else None

    def delete_unfinished(self, run_id: int) -> None:
        """Delete what nobody needs once the run has ended: its checkpoints, and what was written half."""
        for key in unfinished_keys(run_id):
            self.delete(key)
        for torn in self.path(run_folder(run_id)).glob(".*"):
            torn.unlink(missing_ok=True)

    def delete(self, prefix: str) -> None:
        """Delete the file of this key, or all files below it; nothing there is fine."""
        path = self.path(prefix)
        if path.is_dir():
            # A child that is being ended may still write into it; what it adds is of no use to anybody.
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
