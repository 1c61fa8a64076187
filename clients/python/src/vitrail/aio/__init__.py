"""Vitrail for asyncio: connections that share sockets, streams, transactions, and cancellation that reaches the server."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..config import Config, configure
from .connection import Connection
from .cursor import Cursor
from .links import Links
from .pool import Pool
from .record import Record
from .transaction import Transaction

__all__ = ["Connection", "Cursor", "Pool", "Record", "Transaction", "connect", "create_pool"]


async def connect(
    url: str | None = None,
    *,
    user: str | None = None,
    password: str | None = None,
    target: str | None = None,
    tls: str | None = None,
    ca: str | None = None,
    cert: str | None = None,
    key: str | None = None,
    connect_timeout: float | None = None,
    query_timeout: float | None = None,
    app_name: str | None = None,
    found_rows: bool = False,
    variables: Mapping[str, str] | None = None,
    retries: int | None = None,
    traceparent: Callable[[], str | None] | None = None,
) -> Connection:
    """A connection with a socket of its own. Arguments as of :func:`vitrail.connect`.

    Raises:
        InterfaceError: the URL or an option cannot be used.
        OperationalError: no host can be reached, or the login is refused.
    """
    config = configure(
        url,
        user=user,
        password=password,
        target=target,
        tls=tls,
        ca=ca,
        cert=cert,
        key=key,
        connect_timeout=connect_timeout,
        query_timeout=query_timeout,
        app_name=app_name,
        found_rows=found_rows,
        variables=variables,
        retries=retries,
        traceparent=traceparent,
    )
    config.pool_min = config.pool_max = 1
    links = Links(config)
    try:
        await links.fill()
    except BaseException:
        links.abort()
        raise
    return Connection(links, owns_links=True)


async def create_pool(
    url: str | None = None,
    *,
    pool_min: int | None = None,
    pool_max: int | None = None,
    max_sessions: int = 256,
    user: str | None = None,
    password: str | None = None,
    target: str | None = None,
    tls: str | None = None,
    ca: str | None = None,
    cert: str | None = None,
    key: str | None = None,
    connect_timeout: float | None = None,
    query_timeout: float | None = None,
    app_name: str | None = None,
    found_rows: bool = False,
    variables: Mapping[str, str] | None = None,
    retries: int | None = None,
    traceparent: Callable[[], str | None] | None = None,
) -> Pool:
    """A pool with at least one open socket. Arguments as of :func:`vitrail.connect`, and:

    Arguments:
        pool_min: sockets that are opened at once, by default 1.
        pool_max: most sockets, by default 4; one carries many sessions.
        max_sessions: most connections that are handed out at a time.

    Raises:
        InterfaceError: the URL or an option cannot be used.
        OperationalError: no host can be reached, or the login is refused.
    """
    config: Config = configure(
        url,
        user=user,
        password=password,
        target=target,
        tls=tls,
        ca=ca,
        cert=cert,
        key=key,
        connect_timeout=connect_timeout,
        query_timeout=query_timeout,
        app_name=app_name,
        found_rows=found_rows,
        variables=variables,
        retries=retries,
        traceparent=traceparent,
    )
    if pool_min is not None:
        config.pool_min = pool_min
    if pool_max is not None:
        config.pool_max = pool_max
    pool = Pool(config, max_sessions)
    await pool._fill()
    return pool
