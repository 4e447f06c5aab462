"""What a user copied last, to be pasted into any of their models."""

from sqlalchemy.ext.asyncio import AsyncSession

from scv.blocks.document import Block
from scv.db.locks import lock_user
from scv.db.tables import Clipboard, User


async def clipboard_of(session: AsyncSession, user: User) -> tuple[Block, ...]:
    """The copied blocks; none where nothing was copied yet, or by another version of SCV that knows other blocks."""
    clipboard = await session.get(Clipboard, user.id)
    return () if clipboard is None else clipboard.readable


async def set_clipboard(session: AsyncSession, user: User, blocks: tuple[Block, ...]) -> None:
    """Keep these blocks in place of what was copied before."""
    await lock_user(session, user.id)  # two first copies at once would both insert
    await session.merge(Clipboard(user_id=user.id, blocks=blocks))
