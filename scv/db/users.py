"""Users, the identities that they sign in with, and the sessions of their browsers.

A way to sign in proves an identity, which is a provider and a subject, and the identity names the user. The one-time
link, which whoever runs the server can print, is such a way: it proves to be the owner of the instance.

Tokens are 256 random bits. The database holds their SHA-256 only, so that nobody who reads it can sign in with it.
"""

import hashlib
import secrets
from datetime import timedelta

from sqlalchemy import delete, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import contains_eager

from scv.db.tables import Identity, Session, SigninLink, User, now
from scv.errors import RefusedError
from scv.message import say

OWNER_NAME = "Owner"

SIGNIN_LINK = "signin-link"
"""The provider of the one-time links."""

THE_OWNER = "owner"
"""What a one-time link calls the owner of the instance."""


class SigninLinkRefusedError(RefusedError):
    """The link is unknown, used or too old: the message does not say which."""

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
    """Use up the link and return the owner of the instance, who at the very first sign-in is made, reading `language`.

    Raises `SigninLinkRefusedError` when the link is unknown, used or too old.
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
    identity = await _find_identity(session, SIGNIN_LINK, THE_OWNER) or await _make_owner(session, language)
    identity.last_used_at = moment
    await session.flush()
    return identity.user


async def _find_identity(session: AsyncSession, provider: str, subject: str) -> Identity | None:
    """The identity with its user, if anybody has signed in with it."""
    found: Identity | None = await session.scalar(
        select(Identity)
        .join(Identity.user)
        .where(Identity.provider == provider, Identity.subject == subject)
        .options(contains_eager(Identity.user))
    )
    return found


async def _make_owner(session: AsyncSession, language: str) -> Identity:
    """The owner of the instance and their identity; those of another sign-in where that was faster by a moment."""
    owner = User(name=OWNER_NAME, role="owner", language=language)
    identity = Identity(provider=SIGNIN_LINK, subject=THE_OWNER, user=owner)
    try:
        async with session.begin_nested():
            session.add(identity)
    except IntegrityError:
        made = await _find_identity(session, SIGNIN_LINK, THE_OWNER)
        if made is None:
            raise
        return made
    return identity


async def start_session(session: AsyncSession, user: User, *, days: int) -> str:
    """Sign a browser in: the token of a new session that lasts so many days."""
    token = secrets.token_urlsafe(32)
    session.add(Session(token_hash=_hash(token), user_id=user.id, expires_at=now() + timedelta(days=days)))
    await session.flush()
    return token


async def user_of_session(session: AsyncSession, token: str) -> User | None:
    """The user whose browser holds this token; None when it belongs to no session, or to one that has ended."""
    found = await session.scalar(
        select(Session)
        .join(Session.user)
        .where(Session.token_hash == _hash(token), Session.expires_at > now())
        .options(contains_eager(Session.user))
    )
    return found.user if found else None


async def end_session(session: AsyncSession, token: str) -> None:
    """Sign the browser out; a token that is not known is fine."""
    await session.execute(delete(Session).where(Session.token_hash == _hash(token)))


async def set_language(session: AsyncSession, user: User, language: str) -> None:
    """Keep the language that the user wants to read, such as "en" or "ko"."""
    (await session.get_one(User, user.id)).language = language
