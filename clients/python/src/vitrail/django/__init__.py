"""Django backend: ``ENGINE = "vitrail.django"``.

Django loads it by that name; nothing else of this package imports it, or Django. This file imports no part of Django either, so
that a settings module may call :func:`database`.
"""

from __future__ import annotations

from typing import Any

from .. import errors
from ..protocol.urls import UrlProblem, parse

_OPTIONS = ("tls", "ca", "cert", "key", "connect_timeout", "query_timeout", "app_name")


def database(url: str) -> dict[str, Any]:
    """The entry of ``DATABASES`` for a URL, ``vitrail://user:password@host:15300,host2/keyspace?tls=verify-full``.
    What concerns pools is left out: Django keeps one connection for each thread.

    Raises:
        InterfaceError: the URL cannot be read; says what is wrong, and where.
    """
    try:
        read = parse(url)
    except UrlProblem as problem:
        raise errors.interface(str(problem), errors.BAD_CONFIGURATION) from problem
    options = {name: getattr(read, name) for name in _OPTIONS}
    return {
        "ENGINE": __name__,
        "NAME": read.target,
        "USER": read.user or "",
        "PASSWORD": read.password or "",
        "HOST": ",".join(str(host) for host in read.hosts),
        "OPTIONS": {name: value for name, value in options.items() if value is not None},
    }
