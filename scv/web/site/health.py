"""`/health`: whether this process can answer and reach the database."""

from litestar import Response, get
from sqlalchemy import text

from scv.web.http.context import AppServices


@get("/health")
async def health(services: AppServices) -> Response[str]:
    """`ok` with 200. The queue is not asked: without a broker the pages still work and runs wait."""
    async with services.database.reading() as session:
        await session.execute(text("SELECT 1"))
    return Response("ok\n", media_type="text/plain")
