"""What runs behind commands, where the team has models."""

from tests.running import hire

__all__ = ["hire"]
