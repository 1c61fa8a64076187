"""INSERT and REPLACE of one row of placeholders, which mean the same with the rows of many sets of parameters.

That is proved by the text alone, or the statement is left as it is. A row may hold placeholders, literals, and what is computed
from them by functions that depend on nothing else: not on the time, on chance, on the session or on other rows.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from .placeholders import Template, parse, tokens

# Statements are matched with their regions masked: a string is a run of quotes, a quoted name one of backticks, a comment is
# blank, and a placeholder is a run of question marks.
_NAME = r"(?:`+|[A-Za-z0-9_$]+)"
_NAMES = rf"\(\s*{_NAME}(?:\s*,\s*{_NAME})*\s*\)"
_HEAD = re.compile(
    rf"\s*(?:INSERT|REPLACE)(?:\s+(?:LOW_PRIORITY|DELAYED|HIGH_PRIORITY|IGNORE))*(?:\s+INTO)?\s+{_NAME}(?:\s*\.\s*{_NAME})?"
    rf"\s*(?:{_NAMES}|\(\s*\))?\s*VALUES\s*(?=\()",
    re.IGNORECASE | re.ASCII,
)
_TAIL = re.compile(
    rf"(?:\s*AS\s+{_NAME}\s*(?:{_NAMES})?)?\s*ON\s+DUPLICATE\s+KEY\s+UPDATE\b(?P<changes>[^?@:;]*);?\s*|\s*;?\s*",
    re.IGNORECASE | re.ASCII,
)
_ROW_TOKEN = re.compile(
    r"\s+|\?+|'+|[0-9]+(?:\.[0-9]*)?|(?P<word>[A-Za-z_][A-Za-z0-9_]*)(?P<call>\s*\()?|[-(),.+*/%<>=!&|^~]", re.ASCII
)
_WORD = re.compile(r"(?<![A-Za-z0-9_$`])(?P<word>[A-Za-z_][A-Za-z0-9_$]*)(?P<call>\s*\()?", re.ASCII)

_MASKS = {"string": "'", "name": "`", "comment": " ", "placeholder": "?", "percent": "%"}

_FUNCTIONS = frozenset(
    """
    ABS BINARY BIN_TO_UUID CAST CEIL CEILING CHAR CHAR_LENGTH COALESCE CONCAT CONCAT_WS CONVERT CRC32 DATE DATETIME DATE_ADD
    DATE_FORMAT DATE_SUB DECIMAL FLOOR FROM_BASE64 GREATEST HEX IF IFNULL IN INET6_ATON INET6_NTOA INET_ATON INET_NTOA JSON_ARRAY
    JSON_EXTRACT JSON_OBJECT JSON_QUOTE JSON_SET JSON_UNQUOTE LCASE LEAST LEFT LENGTH LOWER LPAD LTRIM MD5 MOD NULLIF POINT POW
    POWER REPEAT REPLACE REVERSE RIGHT ROUND RPAD RTRIM SHA SHA1 SHA2 ST_GEOMFROMGEOJSON ST_GEOMFROMTEXT ST_GEOMFROMWKB
    STR_TO_DATE SUBSTR SUBSTRING TIME TO_BASE64 TRIM TRUNCATE UCASE UNHEX UPPER UUID_TO_BIN
    """.split()  # noqa: SIM905  # it reads better as text
)
_ROW_WORDS = frozenset(
    """
    AND AS B BETWEEN BINARY BOTH CASE CHAR CHARACTER COLLATE DATE DATETIME DAY DECIMAL DEFAULT DIV DOUBLE ELSE END FALSE FLOAT FOR
    FROM HOUR INTEGER INTERVAL IS JSON LEADING LIKE MICROSECOND MINUTE MOD MONTH N NOT NULL OR SECOND SET SIGNED THEN TIME TIMESTAMP
    TRAILING TRUE UNSIGNED USING WEEK WHEN X XOR YEAR _BINARY _UTF8MB4 UTF8MB4
    """.split()  # noqa: SIM905  # it reads better as text
)
_VOLATILE_WORDS = frozenset(
    """
    CURRENT_DATE CURRENT_ROLE CURRENT_TIME CURRENT_TIMESTAMP CURRENT_USER LOCALTIME LOCALTIMESTAMP RETURNING SELECT SYSDATE
    UTC_DATE UTC_TIME UTC_TIMESTAMP
    """.split()  # noqa: SIM905  # it reads better as text
)


class Insert(NamedTuple):
    """A statement that may have many rows: the text before them, the row, and the text behind them."""

    head: str
    row: Template
    tail: str

    def text(self, rows: int) -> str:
        """The statement with so many rows, whose binds are ``v1``, ``v2`` … from the first row's on."""
        # Statements of one text have about as many rows: all of them are cut from one that has more.
        body, ends = _body(self, 1 << (rows - 1).bit_length())
        return f"{self.head}{body[: ends[rows - 1]]}{self.tail}"


@lru_cache(maxsize=256)
def insert_of_rows(sql: str) -> Insert | None:
    """The parts of an INSERT or REPLACE with one row of placeholders; None: it is none, or must have one row at a time."""
    masked = _masked(sql)
    head = None if masked is None else _HEAD.match(masked)
    if masked is None or head is None:
        return None
    end = _row_end(masked, head.end())
    if not end or not _is_plain_row(masked[head.end() : end]) or not _is_plain_tail(masked[end:]):
        return None
    return Insert(parse(sql[: head.end()]).texts[0], parse(sql[head.end() : end]), parse(sql[end:]).texts[0])


@lru_cache(maxsize=32)
def _body(insert: Insert, rows: int) -> tuple[str, list[int]]:
    """What is between the head and the tail of a statement of so many rows, and where each row ends in it."""
    texts, glued = insert.row.texts, insert.row.glued
    parts: list[str] = []
    ends: list[int] = []
    number = size = 0
    for row in range(rows):
        pieces = [", " if row else "", texts[0]]
        for text, space in zip(texts[1:], glued, strict=True):
            number += 1
            pieces.append(f":v{number} " if space else f":v{number}")
            pieces.append(text)
        parts.append("".join(pieces))
        size += len(parts[-1])
        ends.append(size)
    return "".join(parts), ends


def _masked(sql: str) -> str | None:
    """The statement with its regions masked, as long as it was; None: what they say depends on the server or its mode."""
    parts: list[str] = []
    at = 0
    for token in tokens(sql):
        text = token[0]
        # A backslash is an escape in one `sql_mode` and a character in another; `/*!` is a comment to some versions only.
        if (token.lastgroup == "string" and "\\" in text) or text.startswith(("/*!", "/*M!")):
            return None
        parts.append(sql[at : token.start()])
        parts.append(_MASKS[str(token.lastgroup)] * len(text))
        at = token.end()
    parts.append(sql[at:])
    return "".join(parts)


def _row_end(masked: str, start: int) -> int:
    """Where the parentheses end that begin at ``start``; 0: they do not."""
    depth = 0
    for at in range(start, len(masked)):
        if masked[at] == "(":
            depth += 1
        elif masked[at] == ")":
            depth -= 1
            if depth == 0:
                return at + 1
    return 0


def _is_plain_row(masked: str) -> bool:
    at = 0
    while at < len(masked):
        token = _ROW_TOKEN.match(masked, at)
        if token is None:
            return False
        if token["word"] and token["word"].upper() not in (_FUNCTIONS if token["call"] else _ROW_WORDS):
            return False
        at = token.end()
    return "?" in masked


def _is_plain_tail(masked: str) -> bool:
    tail = _TAIL.fullmatch(masked)
    if tail is None:
        return False
    for token in _WORD.finditer(tail["changes"] or ""):
        word = token["word"].upper()
        if word in _VOLATILE_WORDS or (token["call"] and word not in _FUNCTIONS and word != "VALUES"):
            return False
    return True
