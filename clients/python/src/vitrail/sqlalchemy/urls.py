"""SQLAlchemy's URLs as URLs of this client."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from sqlalchemy.engine.url import URL


def translate(url: URL) -> str:
    """The client's URL. SQLAlchemy's own have room for one host; several are written ``?host=a:15300&host=b:15300``.

    The database is the target: ``flights``, ``flights:-80@replica``.
    """
    options: list[str] = []
    hosts: list[str] = []
    if url.host:
        name = f"[{url.host}]" if ":" in url.host else url.host
        hosts.append(name if url.port is None else f"{name}:{url.port}")
    for name, values in url.normalized_query.items():
        if name == "host":
            hosts.extend(values)
        else:
            options.extend(f"{quote(name, safe='')}={quote(value, safe='')}" for value in values)
    user = "" if url.username is None else quote(url.username, safe="")
    password = "" if url.password is None else ":" + quote(str(url.password), safe="")
    at = "@" if user or password else ""
    target = quote(url.database or "", safe="")
    query = "?" + "&".join(options) if options else ""
    return f"vitrail://{user}{password}{at}{','.join(hosts)}/{target}{query}"
