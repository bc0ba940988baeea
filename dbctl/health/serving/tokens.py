"""The bearer token that opens the whole answer."""

import hmac

from dbctl import redaction
from dbctl.errors import ConfigurationError

VARIABLE = "DBCTL_HEALTH_TOKEN"
SHORTEST = 16


def checked(token: str) -> str:
    """Return `token`, which no message will show.

    Raises ConfigurationError where it could be guessed or not be sent.
    """
    redaction.remember(token)
    if len(token) < SHORTEST or not (token.isascii() and token.isprintable()) or " " in token:
        raise ConfigurationError(
            f"the token for the whole answer must be {SHORTEST} or more printable ASCII characters",
            hint=f'Make one: `export {VARIABLE}="$(openssl rand -hex 32)"`.',
        )
    return token


def is_right(authorization: str, token: str) -> bool:
    """Tell whether the header bears the token; in the same time whatever it bears."""
    scheme, _, shown = authorization.partition(" ")
    matches = hmac.compare_digest(shown.strip().encode("latin-1"), token.encode("latin-1"))
    return matches and scheme.lower() == "bearer"
