"""What handlers ask for by name: the house, the visit, and the signed-in user."""

from litestar.datastructures import State
from litestar.di import NamedDependency

from scv.blocks.message import say
from scv.db import users
from scv.db.tables import User
from scv.errors import NotFoundError
from scv.web.house import House
from scv.web.render import AnyRequest, Visit
from scv.web.visitor import SignInRequiredError, language_of

LARGEST_ID = 2**31 - 1
LONGEST_NAME = 255
"""Bytes between two slashes that a file system takes."""

TheHouse = NamedDependency[House]
TheVisit = NamedDependency[Visit]
SignedIn = NamedDependency[User]
"""The user of a page that is for signed-in users only; others are sent to sign in."""


def provide_house(state: State) -> House:
    house: House = state.house
    return house


async def provide_visit(request: AnyRequest, house: TheHouse) -> Visit:
    """One statement for a signed-in browser, none for others. Kept on the request for the error pages."""
    user: User | None = None
    if token := house.session_cookie.read(request):
        async with house.database.reading() as session:
            user = await users.user_of_session(session, token)
    code = language_of(request, user.language if user else None)
    visit = Visit(user=user, language=house.languages[code], request=request)
    request.state.visit = visit
    return visit


def provide_user(visit: TheVisit) -> User:
    if visit.user is None:
        raise SignInRequiredError
    return visit.user


async def refuse_impossible_paths(request: AnyRequest) -> None:
    """No database column holds such a number and no file has such a name, so there is no such thing."""
    values = request.path_params.values()
    if any(value > LARGEST_ID if isinstance(value, int) else not _possible(str(value)) for value in values):
        raise NotFoundError(say("There is no such page."))


def _possible(name: str) -> bool:
    parts = name.encode(errors="replace").split(b"/")
    return b"\0" not in b"".join(parts) and all(len(part) <= LONGEST_NAME for part in parts)
