"""Connection URLs (chapter urls): ``vitrail://user:password@host:15300,host2/keyspace:-80@replica?tls=verify-full``."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from urllib.parse import quote, unquote_to_bytes

from . import limits
from .targets import canonical, target_problem

OPTIONS = ("tls", "ca", "cert", "key", "connect_timeout", "query_timeout", "app_name", "pool_min", "pool_max", "socket")
TLS_MODES = ("disable", "prefer", "require", "verify-ca", "verify-full")

_SCHEME = "vitrail://"
_TIME = re.compile(r"([0-9]{1,20})(ms|s|m|)")
_MILLISECONDS = {"ms": 1, "s": 1_000, "": 1_000, "m": 60_000}
_MOST_MILLISECONDS = 86_400_000
_MOST_POOL = 100_000
_MOST_PATH = 107


class UrlProblem(ValueError):
    """What is wrong with a URL: ``name`` as the vectors have it, ``position`` in bytes. Never shows a password."""

    def __init__(self, name: str, position: int, text: str) -> None:
        super().__init__(f"at byte {position} of the URL: {text}")
        self.name = name
        self.position = position


@dataclass(frozen=True)
class Host:
    """One place where a gate listens: name and port, or the path of a Unix socket."""

    name: str
    port: int = limits.DEFAULT_PORT

    @property
    def is_socket(self) -> bool:
        """Whether ``name`` is the path of a Unix socket."""
        return self.name.startswith("/")

    @property
    def is_local(self) -> bool:
        """A Unix socket, ``localhost`` or a loopback address."""
        if self.is_socket or self.name.lower() == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.name).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        if self.is_socket:
            return quote(self.name, safe="-_.~")
        return f"[{self.name}]:{self.port}" if ":" in self.name else f"{self.name}:{self.port}"


@dataclass
class Url:
    """Where to connect, as whom. Times are in seconds. Its text shows ``***`` for the password."""

    hosts: list[Host] = field(default_factory=lambda: [Host("localhost")])
    user: str | None = None
    password: str | None = None
    target: str = ""
    tls: str | None = None
    ca: str | None = None
    cert: str | None = None
    key: str | None = None
    connect_timeout: float | None = None
    query_timeout: float | None = None
    app_name: str | None = None
    pool_min: int | None = None
    pool_max: int | None = None

    def __str__(self) -> str:
        user = quote(self.user or "", safe="-_.~")
        password = ":***" if self.password is not None else ""
        at = "@" if user or password else ""
        hosts = ",".join(str(host) for host in self.hosts)
        written = []
        for name in OPTIONS[:-1]:
            value = getattr(self, name)
            if value is not None:
                shown = f"{round(value * 1000)}ms" if name.endswith("_timeout") else quote(str(value), safe="-_.~")
                written.append(f"{name}={shown}")
        query = "?" + "&".join(written) if written else ""
        return f"vitrail://{user}{password}{at}{hosts}/{self.target}{query}"

    __repr__ = __str__


def parse(text: str) -> Url:
    """Reads a URL.

    Raises:
        UrlProblem: says what is wrong, and where.
    """
    if text[: len(_SCHEME)].lower() != _SCHEME:
        raise UrlProblem("scheme", 0, "it must begin with vitrail://, as in vitrail://user:password@host:15300/keyspace")
    return _Parser(text).url()


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text

    def url(self) -> Url:
        text = self.text
        if "#" in text:
            raise self.problem("fragment", text.index("#"), "`#` must be written as %23")
        url = Url()
        query = text.find("?")
        query = len(text) if query < 0 else query
        slash = text.find("/", len(_SCHEME), query)
        end = query if slash < 0 else slash
        self.authority(url, len(_SCHEME), end)
        if end < query:
            target = self.decode(end + 1, query)
            wrong = target_problem(target)
            if wrong:
                raise self.problem("target", end + 1, wrong)
            url.target = canonical(target)
        if query < len(text):
            self.options(url, query + 1)
        return url

    def authority(self, url: Url, start: int, end: int) -> None:
        at = self.text.rfind("@", start, end)
        if at >= 0:
            colon = self.text.find(":", start, at)
            user_end = at if colon < 0 else colon
            url.user = self.decode(start, user_end) or None
            if colon >= 0:
                url.password = self.decode(colon + 1, at)
            start = at + 1
        if start < end:
            url.hosts = []
            for piece in self.text[start:end].split(","):
                url.hosts.append(self.host(piece, start))
                start += len(piece) + 1

    def host(self, piece: str, at: int) -> Host:
        wrong = self.problem(
            "host", at, "this is no host: write name, address, [IPv6 address], or the percent-encoded path of a Unix socket"
        )
        port: str | None
        if piece.startswith("["):
            name, closed, rest = piece[1:].partition("]")
            if not closed or (rest and not rest.startswith(":")) or not _is_ipv6(name):
                raise wrong
            port = rest[1:] if rest else None
        else:
            raw, colon, written = piece.partition(":")
            port = written if colon else None
            name = self.decode(at, at + len(raw))
            if name.startswith("/"):
                if port is not None or not _is_path(name):
                    raise wrong
                return Host(name, 0)
            fits = all(letter.isalnum() or letter in "-._" for letter in name)
            if not name or len(name.encode()) > 253 or not fits:
                raise wrong
        if port is None:
            return Host(name)
        if not re.fullmatch(r"[0-9]{1,8}", port) or not 1 <= int(port) <= 65535:
            raise self.problem("port", at + len(piece) - len(port), "the port must be a number from 1 to 65535")
        return Host(name, int(port))

    def options(self, url: Url, start: int) -> None:
        seen: set[str] = set()
        for piece in self.text[start:].split("&"):
            raw, equals, _ = piece.partition("=")
            if not equals:
                raise self.problem("option", start, "options are written as name=value, joined by &")
            name = self.decode(start, start + len(raw))
            if name not in OPTIONS:
                raise self.problem(
                    "unknown_option", start, f"unknown option `{name[:64]}`; did you mean `{nearest(name, OPTIONS)}`?"
                )
            if name in seen:
                raise self.problem("twice", start, f"option `{name}` occurs twice")
            seen.add(name)
            value_at = start + len(raw) + 1
            try:
                _set_option(url, name, self.decode(value_at, start + len(piece)))
            except _Wanted as wanted:
                raise self.problem("value", value_at, f"option `{name}` must be {wanted}") from None
            start += len(piece) + 1

    def decode(self, start: int, end: int) -> str:
        """Undoes percent-encoding."""
        piece = self.text[start:end]
        for match in re.finditer("%", piece):
            if not re.match(r"%[0-9A-Fa-f]{2}", piece[match.start() :]):
                raise self.problem("encoding", start + match.start(), "broken percent-encoding")
        try:
            return unquote_to_bytes(piece).decode()
        except UnicodeDecodeError:
            raise self.problem("encoding", start, "broken percent-encoding") from None

    def problem(self, name: str, at: int, text: str) -> UrlProblem:
        return UrlProblem(name, len(self.text[:at].encode()), text)


class _Wanted(Exception):
    """What an option's value must be."""


def _set_option(url: Url, name: str, value: str) -> None:
    if name == "socket":
        if not _is_path(value):
            raise _Wanted("the absolute path of a Unix socket")
        url.hosts = [Host(value, 0)]
        return
    if name == "tls" and value not in TLS_MODES:
        raise _Wanted("disable, prefer, require, verify-ca or verify-full")
    if name.endswith("_timeout"):
        setattr(url, name, _seconds(value))
    elif name.startswith("pool_"):
        least = 0 if name == "pool_min" else 1
        if not re.fullmatch(r"\+?[0-9]{1,9}", value) or not least <= int(value) <= _MOST_POOL:
            raise _Wanted(f"from {least} to {_MOST_POOL}")
        setattr(url, name, int(value))
    elif not value:
        raise _Wanted("not empty")
    else:
        setattr(url, name, value)


def _seconds(value: str) -> float:
    match = _TIME.fullmatch(value)
    milliseconds = int(match[1]) * _MILLISECONDS[match[2]] if match else 0
    if not 1 <= milliseconds <= _MOST_MILLISECONDS:
        raise _Wanted("a time such as 500ms, 5s or 2m, above 0")
    return milliseconds / 1000


def nearest(name: str, known: tuple[str, ...]) -> str:
    """The known name that is most like this one."""
    return max(known, key=lambda candidate: SequenceMatcher(None, candidate, name[:64]).ratio())


def _is_path(text: str) -> bool:
    return text.startswith("/") and 1 < len(text.encode()) <= _MOST_PATH and "\0" not in text


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return "%" not in text
