"""What some supported versions of a library can do and others cannot."""

import asyncpg

# Before asyncpg 0.32, what a server says as it ends the session of a statement does not arrive.
HAS_LAST_WORD = tuple(map(int, asyncpg.__version__.split(".")[:2])) >= (0, 32)
