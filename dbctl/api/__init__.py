"""Health over HTTP and sessions for an application of one's own; needs the extra `api`.

from dbctl.api import get_db, health_router

app = FastAPI()
app.include_router(health_router())
"""

from dbctl.db.engine import get_db
from dbctl.health.serving.router import health_router

__all__ = ["get_db", "health_router"]
