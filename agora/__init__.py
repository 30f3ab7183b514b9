"""Agora: domain (what it knows), team (what it does), app (how people reach it)."""
