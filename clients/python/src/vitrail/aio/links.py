"""The few connections that many sessions share, and how they are made."""

from __future__ import annotations

import asyncio
import logging
import random
import time

from .. import errors
from ..config import Config, Hosts, is_final
from ..protocol.urls import Host
from ..results import FieldCache
from .link import Link

logger = logging.getLogger("vitrail")

_LEAST_ATTEMPT = 0.2
_DEFAULT_MOST = 4
_SESSIONS_PER_LINK = 64


class Links:
    """Opens connections as they are needed, and gives each session one with few others."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.fields = FieldCache()
        self._hosts = Hosts(config.hosts)
        self._links: list[Link] = []
        self._connecting = asyncio.Lock()
        self._connected_once = False
        self._closed = False

    @property
    def size(self) -> int:
        """How many connections are open."""
        return sum(link.closed is None for link in self._links)

    async def fill(self) -> None:
        """Opens as many connections as are to be there from the beginning, at least one."""
        async with self._connecting:
            while self.size < max(1, min(self.config.pool_min or 1, self._most)):
                await self._connect(None)

    async def acquire(self, avoid: Host | None = None) -> Link:
        """A connection for a session.

        Raises:
            errors.Error: there is none, and none can be made.
        """
        chosen = self._choose()
        if chosen is not None:
            return chosen
        async with self._connecting:
            # Another task may have made one meanwhile.
            chosen = self._choose()
            if chosen is not None:
                return chosen
            try:
                return await self._connect(avoid)
            except errors.Error:
                crowded = self._least_loaded()
                if crowded is None:
                    raise
                return crowded

    async def close(self) -> None:
        """Closes all connections; requests under way fail."""
        self._closed = True
        links, self._links = self._links, []
        for link in links:
            await link.close()

    def abort(self) -> None:
        """Closes all connections at once."""
        self._closed = True
        links, self._links = self._links, []
        for link in links:
            link.abort("terminated")

    @property
    def _most(self) -> int:
        return max(1, self.config.pool_max or _DEFAULT_MOST)

    def _choose(self) -> Link | None:
        best = self._least_loaded()
        usable = sum(link.usable for link in self._links)
        if best is None or (usable < self._most and best.sessions >= _SESSIONS_PER_LINK):
            return None
        return best

    def _least_loaded(self) -> Link | None:
        if self._closed:
            raise errors.interface("the pool is closed")
        # A connection that drains stays open for the transactions on it.
        self._links = [link for link in self._links if link.closed is None]
        usable = [link for link in self._links if link.usable]
        return min(usable, key=lambda link: link.sessions, default=None)

    async def _connect(self, avoid: Host | None) -> Link:
        """Goes round the hosts; once there was a connection, again and again until the time is up."""
        until = time.monotonic() + self.config.connect_timeout
        pause = 0.02
        while True:
            try:
                link = await self._connect_round(self._hosts.candidates(avoid), until)
            except errors.Error as error:
                wait = pause * random.uniform(0.5, 1.0)
                if not self._connected_once or _ends(error) or time.monotonic() + wait >= until:
                    raise
            else:
                self._connected_once = True
                self._links.append(link)
                return link
            await asyncio.sleep(wait)
            pause = min(2 * pause, 0.5)

    async def _connect_round(self, candidates: list[Host], until: float) -> Link:
        problem: errors.Error | None = None
        for index, host in enumerate(candidates):
            left = until - time.monotonic()
            if left <= 0 and problem is not None:
                break
            share = max(left / (len(candidates) - index), min(_LEAST_ATTEMPT, self.config.connect_timeout))
            try:
                link = await Link.connect(self.config, host, share)
            except errors.Error as error:
                if _ends(error):
                    raise
                logger.debug("cannot connect to %s: %s", host, error)
                problem = error
            else:
                self._hosts.learn(host, link.hello["gates"])
                return link
        assert problem is not None, "there is at least one host"
        raise problem


def _ends(error: errors.Error) -> bool:
    return is_final(error) or isinstance(error, errors.InterfaceError)
