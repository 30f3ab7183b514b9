"""Nodes run with a team that has models."""

from tests.running import hire

__all__ = ["hire"]
