"""`/health`: whether this process can answer and reach the database."""

from litestar import Response, get
from sqlalchemy import text

from scv.web.dependencies import TheHouse


@get("/health")
async def health(house: TheHouse) -> Response[str]:
    """`ok` with 200. The queue is not asked: without a broker the pages still work and runs wait."""
    async with house.database.reading() as session:
        await session.execute(text("SELECT 1"))
    return Response("ok\n", media_type="text/plain")
