"""Connections of the Django backend for its tests."""

from __future__ import annotations

from typing import Any

import django
from django.conf import settings
from support.servers import Gate

from vitrail.django import database

if not settings.configured:
    settings.configure(USE_TZ=False)
    django.setup()

from django.db import connections

from vitrail.django.base import DatabaseWrapper

EMPTY = {"NAME": "", "USER": "", "PASSWORD": "", "HOST": "", "PORT": "", "OPTIONS": {}}


def open_connection(gate: Gate, target: str = "main", alias: str = "default", **changed: Any) -> Any:
    """The backend's connection to a keyspace, among Django's."""
    entry = {**EMPTY, **database(gate.url(target)), **changed}
    connections.settings[alias] = connections.configure_settings({"default": {}, alias: entry})[alias]
    connections[alias] = found = DatabaseWrapper(connections.settings[alias], alias)
    return found


def rows(wrapper: Any, sql: str, values: Any = None) -> list[tuple[Any, ...]]:
    """The rows of a statement."""
    with wrapper.cursor() as cursor:
        cursor.execute(sql, values)
        found: list[tuple[Any, ...]] = cursor.fetchall() if cursor.description else []
        return found
