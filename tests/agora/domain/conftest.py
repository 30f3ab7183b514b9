"""Teams with models, for what the domain does only as part of one."""

from tests.running import hire

__all__ = ["hire"]
