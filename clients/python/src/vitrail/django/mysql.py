"""Django's MySQL backend, without MySQLdb.

Two of its modules, ``base`` and ``introspection``, import MySQLdb at their top: for the classes of its errors, the numbers of
column types, and its version. Here they are run once more, as modules of their own in which that name means this client.
``sys.modules`` has no part in it: who imports ``django.db.backends.mysql`` or MySQLdb gets the real ones, before and after, in any
thread.
"""

from __future__ import annotations

import builtins
import importlib.util
from types import ModuleType, SimpleNamespace
from typing import Any

from django.db.backends.mysql import client, creation, features, operations, schema

from .. import convert, errors

_PACKAGE = "django.db.backends.mysql"
_ERRORS = (
    "Error",
    "InterfaceError",
    "DatabaseError",
    "DataError",
    "OperationalError",
    "IntegrityError",
    "InternalError",
    "ProgrammingError",
    "NotSupportedError",
)
_TYPES = """
    BIT BLOB DATE DATETIME DECIMAL DOUBLE ENUM FLOAT GEOMETRY INT24 JSON LONG LONGLONG LONG_BLOB MEDIUM_BLOB NEWDECIMAL NULL SET
    SHORT STRING TIME TIMESTAMP TINY TINY_BLOB VARCHAR VAR_STRING YEAR
""".split()  # noqa: SIM905  # it reads better as text
#: Under this number MySQLdb has what both modules ask for.
_VERSION = (2, 2, 1, "final", 0)


def _client() -> Any:
    """This client by the names of MySQLdb that the two modules read."""
    module: Any = ModuleType("MySQLdb")
    types = {name: getattr(convert, name) for name in _TYPES}
    contents: dict[str, Any] = {
        **{name: getattr(errors, name) for name in _ERRORS},
        "version_info": _VERSION,
        "constants": SimpleNamespace(CLIENT=SimpleNamespace(FOUND_ROWS=2), FIELD_TYPE=SimpleNamespace(**types, CHAR=convert.TINY)),
        "converters": SimpleNamespace(conversions={}),
    }
    module.__dict__.update(contents)
    return module


def _load(name: str, **replaced: Any) -> Any:
    """Runs a module of Django's MySQL backend; of what it imports, ``replaced`` is given in place of what has the name."""
    spec = importlib.util.find_spec(f"{_PACKAGE}.{name}")
    loader: Any = None if spec is None else spec.loader
    if spec is None or not hasattr(loader, "get_code"):
        raise ImportError(f"the source of {_PACKAGE}.{name} is needed")

    def import_module(wanted: str, scope: Any = None, local: Any = None, names: Any = (), level: int = 0) -> Any:
        if wanted in replaced:
            return replaced[wanted]
        return builtins.__import__(wanted, scope, local, names, level)

    module = ModuleType(f"{__name__}.{name}")
    module.__package__ = _PACKAGE
    module.__file__ = spec.origin
    module.__dict__["__builtins__"] = {**vars(builtins), "__import__": import_module}
    exec(loader.get_code(spec.name), module.__dict__)
    return module


_module = _client()
_names = {"MySQLdb": _module, "MySQLdb.constants": _module.constants, "MySQLdb.converters": _module.converters}
_introspection = _load("introspection", **_names)
_base = _load("base", **_names, introspection=_introspection)

# What the backend derives from. Django has no types.
CursorWrapper: Any = _base.CursorWrapper
DatabaseClient: Any = client.DatabaseClient
DatabaseCreation: Any = creation.DatabaseCreation
DatabaseFeatures: Any = features.DatabaseFeatures
DatabaseIntrospection: Any = _introspection.DatabaseIntrospection
DatabaseOperations: Any = operations.DatabaseOperations
DatabaseSchemaEditor: Any = schema.DatabaseSchemaEditor
DatabaseWrapper: Any = _base.DatabaseWrapper
