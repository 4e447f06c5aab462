"""`/health`: whether this process answers and reaches the database."""

from litestar import Response, get
from sqlalchemy import text

from scv.web.http.context import AppServices


@get("/health")
async def health(services: AppServices) -> Response[str]:
    """`ok` with status 200. The broker is not checked: without it the pages still work, and runs wait."""
    async with services.database.reading() as session:
        await session.execute(text("SELECT 1"))
    return Response("ok\n", media_type="text/plain")
