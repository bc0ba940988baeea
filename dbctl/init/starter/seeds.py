"""Rows for development: `dbctl seed --dev` writes them, and changes nothing the second time."""

from collections.abc import AsyncGenerator

from sqlmodel.ext.asyncio.session import AsyncSession


async def seed(session: AsyncSession) -> AsyncGenerator[object]:
    """Yield instances of the models; each is found again by its primary key or a unique field."""
    rows: list[object] = [
        # Team(name="Operations"),
    ]
    for row in rows:
        yield row
