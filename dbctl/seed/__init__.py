"""Put the rows there that development, tests and load tests need.

A seed set of a project needs nothing but `keyed` of this package.
"""

from dbctl.seed.keys import keyed

__all__ = ["keyed"]
