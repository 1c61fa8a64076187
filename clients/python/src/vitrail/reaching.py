"""Which of several hosts the blocking client gets a connection to."""

from __future__ import annotations

import logging
import random
import time

from . import errors
from .config import Config, Hosts, is_final
from .link import Link
from .protocol.urls import Host

logger = logging.getLogger("vitrail")

_LEAST_ATTEMPT = 0.2


def connect(config: Config, hosts: Hosts, avoid: Host | None = None, persistent: bool = False) -> Link:
    """A connection to the first host that can be reached. ``persistent``: goes round again and again until the time is up.

    Raises:
        errors.Error: no host can be; the last one's reason.
    """
    until = time.monotonic() + config.connect_timeout
    pause = 0.02
    while True:
        try:
            return _connect_once(config, hosts.candidates(avoid), hosts, until)
        except errors.Error as error:
            wait = pause * random.uniform(0.5, 1.0)
            if not persistent or _ends(error) or time.monotonic() + wait >= until:
                raise
        time.sleep(wait)
        pause = min(2 * pause, 0.5)


def _connect_once(config: Config, candidates: list[Host], hosts: Hosts, until: float) -> Link:
    problem: errors.Error | None = None
    for index, host in enumerate(candidates):
        left = until - time.monotonic()
        if left <= 0 and problem is not None:
            break
        share = max(left / (len(candidates) - index), min(_LEAST_ATTEMPT, config.connect_timeout))
        try:
            link = Link(config, host, time.monotonic() + share)
        except errors.Error as error:
            if _ends(error):
                raise
            logger.debug("cannot connect to %s: %s", host, error)
            problem = error
        else:
            hosts.learn(host, link.hello["gates"])
            return link
    assert problem is not None, "there is at least one host"
    raise problem


def _ends(error: errors.Error) -> bool:
    return is_final(error) or isinstance(error, errors.InterfaceError)
