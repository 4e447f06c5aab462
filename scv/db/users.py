"""Who somebody is: one-time sign-in links, and the sessions of signed-in browsers.

Tokens are 256 random bits. The database holds their SHA-256 only, so whoever reads it can sign in as nobody.
"""

import hashlib
import secrets
from datetime import timedelta

from sqlalchemy import bindparam, delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from scv.db.access import owned_by
from scv.db.base import now
from scv.db.locks import lock_name
from scv.db.tables import Identity, Role, Session, SigninLink, User
from scv.errors import RefusedError
from scv.message import say

OWNER_NAME = "Owner"

LINK = "link"
"""The provider of one-time links: a user is their id to it."""


class SigninLinkRefusedError(RefusedError):
    """The link is unknown, used or too old: which of them is not told."""

    def __init__(self) -> None:
        super().__init__(say("This sign-in link was used before or is too old. Make a new one with: scv signin-link"))


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


async def create_signin_link(session: AsyncSession, *, minutes: int) -> str:
    """The token of a new link that signs its bearer in once within so many minutes.

    Links and sessions that can no longer be used are cleared away on the way.
    """
    moment = now()
    await session.execute(
        delete(SigninLink).where(or_(SigninLink.expires_at <= moment, SigninLink.used_at.is_not(None)))
    )
    await session.execute(delete(Session).where(Session.expires_at <= moment))
    token = secrets.token_urlsafe(32)
    session.add(SigninLink(token_hash=_hash(token), expires_at=moment + timedelta(minutes=minutes)))
    await session.flush()
    return token


async def has_signin_link(session: AsyncSession, token: str) -> bool:
    """Whether the link can be used at this moment; asking uses nothing up and writes nothing."""
    found = await session.scalar(
        select(SigninLink.id).where(
            SigninLink.token_hash == _hash(token),
            SigninLink.used_at.is_(None),
            SigninLink.expires_at > now(),
        )
    )
    return found is not None


async def redeem_signin_link(session: AsyncSession, token: str, *, language: str = "en") -> User:
    """Use up the link and return the owner, who is made here, reading `language`, at the very first sign-in.

    Raises `RefusedError` when the link is unknown, used or too old: which of them is not told.
    """
    moment = now()
    used = await session.scalar(
        update(SigninLink)
        .where(
            SigninLink.token_hash == _hash(token),
            SigninLink.used_at.is_(None),
            SigninLink.expires_at > moment,
        )
        .values(used_at=moment)
        .returning(SigninLink.id)
    )
    if used is None:
        raise SigninLinkRefusedError
    owner = await _owner(session)
    if owner is None:
        await lock_name(session, "first owner")  # two first sign-ins at once make one owner
        owner = await _owner(session)
    if owner is None:
        owner = await create_user(session, OWNER_NAME, role="owner", language=language)
    await use_identity(session, owner, LINK, str(owner.id))
    return owner


async def create_user(session: AsyncSession, name: str, *, role: Role = "member", language: str = "en") -> User:
    """A new user, who has no way to sign in yet."""
    user = User(name=name, role=role, language=language)
    session.add(user)
    await session.flush()
    return user


async def use_identity(session: AsyncSession, user: User, provider: str, subject: str) -> None:
    """Note that the user signed in this way just now; the first time adds the way."""
    used = await session.scalar(
        update(Identity)
        .where(Identity.provider == provider, Identity.subject == subject, owned_by(user, Identity))
        .values(used_at=now())
        .returning(Identity.id)
    )
    if used is None:
        session.add(Identity(user_id=user.id, provider=provider, subject=subject, used_at=now()))
        await session.flush()


async def _owner(session: AsyncSession) -> User | None:
    owner: User | None = await session.scalar(select(User).where(User.role == "owner").order_by(User.id).limit(1))
    return owner


async def start_session(session: AsyncSession, user: User, *, days: int) -> str:
    """Sign a browser in: the token of a new session that lasts so many days."""
    token = secrets.token_urlsafe(32)
    session.add(Session(token_hash=_hash(token), user_id=user.id, expires_at=now() + timedelta(days=days)))
    await session.flush()
    return token


async def user_of_session(session: AsyncSession, token: str) -> User | None:
    """The user whose browser holds this token; None when nobody is signed in with it (any more)."""
    user: User | None = await session.scalar(_OF_SESSION, {"token_hash": _hash(token), "moment": now()})
    return user


_OF_SESSION = (
    select(User)
    .join(Session, Session.user_id == User.id)
    .where(Session.token_hash == bindparam("token_hash"), Session.expires_at > bindparam("moment"))
)
"""Built once, since every page asks it."""


async def end_session(session: AsyncSession, token: str) -> None:
    """Sign the browser out; a token that is not known is fine."""
    await session.execute(delete(Session).where(Session.token_hash == _hash(token)))


async def set_language(session: AsyncSession, user: User, language: str) -> None:
    """Keep the language that the user wants to read, such as "en" or "ko"."""
    await session.execute(update(User).where(User.id == user.id).values(language=language))
