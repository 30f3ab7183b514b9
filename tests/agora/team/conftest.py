"""What the team does, where it has models."""

from tests.running import hire

__all__ = ["hire"]
