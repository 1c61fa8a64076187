"""An entry of ``DATABASES`` as the arguments of :func:`vitrail.connect`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from django.core.exceptions import ImproperlyConfigured

from ..protocol.urls import nearest

#: Options that a URL has as well. Times are in seconds.
_IN_URL = ("tls", "ca", "cert", "key", "connect_timeout", "query_timeout", "app_name")
_BESIDE_URL = ("retries", "traceparent", "variables")
#: MySQL's levels, and those that Django's MySQL backend begins with.
ISOLATION_LEVELS = ("read uncommitted", "read committed", "repeatable read", "serializable")
_DEFAULT_ISOLATION = "read committed"


class Parameters(NamedTuple):
    """Where to connect, and how. ``isolation_level`` is in lower case; None leaves it to the server."""

    url: str
    options: dict[str, Any]
    isolation_level: str | None


def parameters(settings: Mapping[str, Any]) -> Parameters:
    """What an entry of ``DATABASES`` says. ``NAME`` is the target; ``HOST`` one host, several with commas between them, or the path
    of a Unix socket; ``PORT`` is that of hosts that name none.

    Raises:
        ImproperlyConfigured: an option cannot be used.
    """
    given = dict(settings["OPTIONS"])
    isolation_level = _isolation_level(given.pop("isolation_level", _DEFAULT_ISOLATION))
    known = (*_IN_URL, *_BESIDE_URL)
    for name in given:
        if name not in known:
            raise ImproperlyConfigured(f"unknown option `{name}`; did you mean `{nearest(name, (*known, 'isolation_level'))}`?")
    query = "&".join(f"{name}={_written(name, given.pop(name))}" for name in _IN_URL if given.get(name) is not None)
    user, password = quote(settings["USER"], safe=""), quote(settings["PASSWORD"], safe="")
    proof = (user + (f":{password}" if password else "") + "@") if user or password else ""
    hosts = ",".join(_host(piece.strip(), str(settings["PORT"])) for piece in settings["HOST"].split(",") if piece.strip())
    url = f"vitrail://{proof}{hosts}/{quote(settings['NAME'] or '', safe='')}" + (f"?{query}" if query else "")
    if isolation_level is not None:
        # Part of what the session is opened with: it costs no statement, and goes along to another gate.
        level = isolation_level.upper().replace(" ", "-")
        given["variables"] = {"transaction_isolation": f"'{level}'", **(given.get("variables") or {})}
    return Parameters(url, given, isolation_level)


def _isolation_level(level: str | None) -> str | None:
    if not level:
        return None
    if level.lower() not in ISOLATION_LEVELS:
        known = ", ".join(f"'{name}'" for name in sorted(ISOLATION_LEVELS))
        raise ImproperlyConfigured(f"Invalid transaction isolation level '{level}' specified.\nUse one of {known}, or None.")
    return level.lower()


def _written(name: str, value: Any) -> str:
    if name.endswith("_timeout") and isinstance(value, (int, float)):
        return f"{round(value * 1000)}ms"
    return quote(str(value), safe="")


def _host(host: str, port: str) -> str:
    if host.startswith("/"):
        return quote(host, safe="")
    if host.count(":") > 1 and not host.startswith("["):
        host = f"[{host}]"
    names_port = ":" in host.rpartition("]")[2]
    is_socket = host[:3].upper() == "%2F"
    return f"{host}:{port}" if port and not names_port and not is_socket else host
