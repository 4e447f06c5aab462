"""What a new version of a person's own images changes, as it waits in the database until the version is made."""

import msgspec


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """`draft`: what was uploaded or collected is taken in. `renamed` gives classes new names.

    `dropped` holds indices of the version before, by part ("train" or "test").
    """

    draft: bool = False
    renamed: dict[str, str] = {}
    dropped: dict[str, list[int]] = {}
