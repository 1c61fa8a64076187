"""Where to connect, as whom, and how the client behaves."""

from __future__ import annotations

import os
import random
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypedDict

from . import errors
from .protocol.events import Identity
from .protocol.scram import KeyCache
from .protocol.targets import canonical, target_problem
from .protocol.urls import TLS_MODES, Host, Url, UrlProblem, parse
from .version import __version__

DEFAULT_URL = "vitrail://127.0.0.1:15300/"
_MOST_LEARNED = 64

#: Keys by password, salt and count, for all connections of the process.
_KEYS = KeyCache()


@dataclass
class Config:
    """Everything a connection is made from. Times are in seconds.

    Attributes:
        hosts: where gates listen; tried from a random one on, the next on failure.
        target: where statements go: ``keyspace``, ``keyspace:-80``, ``keyspace:-80@replica``.
        connect_timeout: bound of connecting and authenticating, all hosts included.
        query_timeout: deadline of statements that name none; None: no deadline.
        retries: how often a statement is sent again that the server says it has not executed and that may be repeated.
        keepalive: a connection on which nothing came for so long while an answer is due is pinged; if nothing comes for as
            long again, it is closed.
        traceparent: called for each statement; its W3C ``traceparent`` goes along.
        state: settings that the session begins with.
    """

    hosts: list[Host]
    user: str = ""
    password: str | None = None
    target: str = ""
    tls: str | None = None
    ca: str | None = None
    cert: str | None = None
    key: str | None = None
    connect_timeout: float = 10.0
    query_timeout: float | None = None
    app_name: str = ""
    instance: str = ""
    pool_min: int | None = None
    pool_max: int | None = None
    retries: int = 3
    keepalive: float = 30.0
    traceparent: Callable[[], str | None] | None = None
    state: dict[str, Any] = field(default_factory=dict)
    keys: KeyCache = field(default=_KEYS, repr=False)

    def identity(self, binding: bytes | None) -> Identity:
        """Who connects, with the hash of the server's certificate where there is TLS."""
        return Identity(
            self.user,
            self.password,
            binding,
            certificate=self.cert is not None,
            driver=f"python/{__version__}",
            app=self.app_name,
            instance=self.instance,
        )

    def tls_mode(self, host: Host) -> str:
        """How TLS is used towards a host; by default none on this machine, ``verify-full`` elsewhere."""
        if host.is_socket:
            return "disable"
        if self.tls is not None:
            return self.tls
        return "disable" if host.is_local else "verify-full"


class ConnectOptions(TypedDict, total=False):
    """Keyword arguments of everything that connects; they count more than the URL. :func:`vitrail.connect` says what they mean."""

    user: str | None
    password: str | None
    target: str | None
    tls: str | None
    ca: str | None
    cert: str | None
    key: str | None
    connect_timeout: float | None
    query_timeout: float | None
    app_name: str | None
    found_rows: bool | None
    variables: Mapping[str, str] | None
    retries: int | None
    traceparent: Callable[[], str | None] | None


def configure(
    url: str | Url | None,
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
    autocommit: bool | None = None,
    found_rows: bool | None = None,
    variables: Mapping[str, str] | None = None,
    retries: int | None = None,
    traceparent: Callable[[], str | None] | None = None,
) -> Config:
    """A configuration from a URL and options, which count more than the URL.

    Raises:
        InterfaceError: the URL or an option cannot be used; says what is wrong, and where.
    """
    read = _read_url(url if url is not None else os.environ.get("VITRAIL_URL", DEFAULT_URL))
    config = Config(hosts=read.hosts)
    given = {
        "user": user,
        "password": password,
        "target": target,
        "tls": tls,
        "ca": ca,
        "cert": cert,
        "key": key,
        "connect_timeout": connect_timeout,
        "query_timeout": query_timeout,
        "app_name": app_name,
        "pool_min": None,
        "pool_max": None,
    }
    for name, value in given.items():
        chosen = value if value is not None else getattr(read, name)
        if chosen is not None:
            setattr(config, name, chosen)
    if not config.app_name:
        config.app_name = os.path.basename(sys.argv[0]) if sys.argv and sys.argv[0] else "python"
    config.instance = f"{socket.gethostname()}:{os.getpid()}"
    config.traceparent = traceparent
    if retries is not None:
        config.retries = retries
    _check(config)
    state: dict[str, Any] = {"target": canonical(config.target)} if config.target else {}
    if autocommit is not None:
        state["autocommit"] = autocommit
    if found_rows is not None:
        state["found_rows"] = found_rows
    if variables:
        state["variables"] = dict(variables)
    config.state = state
    return config


def _read_url(url: str | Url) -> Url:
    if isinstance(url, Url):
        return url
    try:
        return parse(url)
    except UrlProblem as problem:
        raise errors.interface(str(problem), errors.BAD_CONFIGURATION) from problem


def _check(config: Config) -> None:
    def wrong(text: str) -> errors.InterfaceError:
        return errors.interface(text, errors.BAD_CONFIGURATION)

    if config.tls is not None and config.tls not in TLS_MODES:
        raise wrong(f"`tls` must be one of {', '.join(TLS_MODES)}")
    if (config.cert is None) != (config.key is None):
        raise wrong("a client certificate needs both `cert` and `key`")
    problem = target_problem(config.target)
    if problem:
        raise wrong(problem)
    if config.connect_timeout <= 0 or (config.query_timeout is not None and config.query_timeout <= 0):
        raise wrong("a timeout is above 0 seconds")
    if len(config.user.encode()) > 256:
        raise wrong("a user has at most 256 bytes")


class Hosts:
    """Configured hosts and the gates that servers named, in the order to try them. Safe between threads."""

    def __init__(self, configured: list[Host]) -> None:
        self._lock = threading.Lock()
        self._configured = list(configured)
        self._learned: list[Host] = []
        self._next = random.randrange(len(configured))

    def candidates(self, avoid: Host | None = None) -> list[Host]:
        """All of them, each time beginning with another; the one to avoid comes last."""
        with self._lock:
            start = self._next % len(self._configured)
            self._next = start + 1
            found = self._configured[start:] + self._configured[:start] + self._learned
        if avoid in found and avoid is not None:
            found.remove(avoid)
            found.append(avoid)
        return found

    def learn(self, host: Host, gates: list[str]) -> None:
        """Remembers the gates that a server at ``host`` named."""
        if host.is_socket:
            return
        with self._lock:
            for gate in gates:
                name, colon, port = gate.rpartition(":")
                if not colon or not port.isdigit() or not 1 <= int(port) <= 65535 or not name:
                    continue
                learned = Host(name.removeprefix("[").removesuffix("]"), int(port))
                if learned not in self._configured and learned not in self._learned and len(self._learned) < _MOST_LEARNED:
                    self._learned.append(learned)


def is_final(error: errors.Error) -> bool:
    """Whether another host would say the same."""
    return error.code in ("unauthenticated", "denied", "invalid")
