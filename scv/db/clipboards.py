"""What a user copied last, to be pasted into any of their models."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from scv.db.access import owned_by
from scv.db.tables import Clipboard, User


async def clipboard_of(session: AsyncSession, user: User) -> str | None:
    """The copied blocks (JSON text); None where nothing was copied yet."""
    return await session.scalar(select(Clipboard.blocks).where(owned_by(user, Clipboard)))


async def set_clipboard(session: AsyncSession, user: User, blocks: str) -> None:
    """Keep these blocks (JSON text) in place of what was copied before."""
    await session.merge(Clipboard(user_id=user.id, blocks=blocks))
