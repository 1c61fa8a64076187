"""Vitrail for asyncio: connections that share sockets, streams, transactions, and cancellation that reaches the server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..config import Config, ConnectOptions, configure
from .connection import Connection
from .cursor import Cursor
from .links import Links
from .pool import Pool
from .record import Record
from .transaction import Transaction

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["Connection", "Cursor", "Pool", "Record", "Transaction", "connect", "create_pool"]


async def connect(url: str | None = None, **options: Unpack[ConnectOptions]) -> Connection:
    """A connection with a socket of its own. Options as of :func:`vitrail.connect`.

    Raises:
        InterfaceError: the URL or an option cannot be used.
        OperationalError: no host can be reached, or the login is refused.
    """
    return await connect_by(configure(url, **options))


async def connect_by(config: Config) -> Connection:
    """A connection with a socket of its own, as a configuration says.

    Raises:
        OperationalError: no host can be reached, or the login is refused.
    """
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
    **options: Unpack[ConnectOptions],
) -> Pool:
    """A pool with at least one open socket. Options as of :func:`vitrail.connect`, and:

    Arguments:
        pool_min: sockets that are opened at once, by default 1.
        pool_max: most sockets, by default 4; one carries many sessions.
        max_sessions: most connections that are handed out at a time.

    Raises:
        InterfaceError: the URL or an option cannot be used.
        OperationalError: no host can be reached, or the login is refused.
    """
    config = configure(url, **options)
    if pool_min is not None:
        config.pool_min = pool_min
    if pool_max is not None:
        config.pool_max = pool_max
    pool = Pool(config, max_sessions)
    await pool._fill()
    return pool
