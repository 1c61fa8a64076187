"""Messages of every kind."""

from .bson import EMPTY, I64, Raw, counter, doc, plain
from .rows import fields

CLIENT_HELLO = {
    "min": 1, "max": 1, "caps": ["x.one", "x.two"], "max_frame": 262144, "max_message": 134217728, "user": "ann", "mech": "SCRAM-SHA-256",
    "initial": b"n,,n=ann,r=abc", "driver": "rust/0.1.0", "app": "shop", "instance": "shop-7",
}


SERVER_HELLO = {
    "version": 1, "caps": [], "max_frame": 262144, "max_message": 134217728, "connection_id": 7, "flavour": "MariaDB", "mysql_version": "10.11.14-MariaDB",
    "gates": ["gate2:15300"], "incarnation": "6f1c", "max_age_ms": 3600000, "challenge": b"r=abcdef,s=YQ==,i=4096", "authenticated": False,
}

ERROR_BODY = {"errno": 1213, "sqlstate": "40001", "code": "conflict", "message": "deadlock found; run the transaction again", "executed": "no", "retryable": True}


def but(fields, **changes):
    return {name: value for name, value in {**fields, **changes}.items() if value is not ...}


def messages():
    cases = []

    def good(kind, name, fields, canonical=None):
        case = {"name": name, "type": kind, "body": doc(fields).hex(), "fields": plain(dict(fields) if canonical is None else canonical)}
        if canonical is not None:
            case["canonical"] = doc(canonical).hex()
        cases.append(case)

    def bad(kind, name, fields, error, closes=False):
        cases.append({"name": name, "type": kind, "body": doc(fields).hex(), "error": error, "closes": closes})

    good("client_hello", "client hello", CLIENT_HELLO)
    good("client_hello", "client hello with EXTERNAL", but(CLIENT_HELLO, user="", mech="EXTERNAL", initial=b"", caps=[]))
    good("client_hello", "unknown field and unknown capability in hello", but(CLIENT_HELLO, zzz=[1, {"a": None}]), CLIENT_HELLO)
    good("client_hello", "least client hello", {"min": 1, "max": 9, "max_frame": 16384, "max_message": 1073741824, "mech": "NONE"},
         {"min": 1, "max": 9, "caps": [], "max_frame": 16384, "max_message": 1073741824, "user": "", "mech": "NONE", "initial": b"", "driver": "", "app": "", "instance": ""})
    for name in ("min", "max", "max_frame", "max_message", "mech"):
        bad("client_hello", f"client hello without {name}", but(CLIENT_HELLO, **{name: ...}), "missing_field")
    bad("client_hello", "version 0", but(CLIENT_HELLO, min=0), "bad_field")
    bad("client_hello", "lowest version above the highest", but(CLIENT_HELLO, min=2), "bad_field")
    bad("client_hello", "max_frame below 16 KiB", but(CLIENT_HELLO, max_frame=16383), "bad_field")
    bad("client_hello", "max_frame above 1 MiB", but(CLIENT_HELLO, max_frame=1048577), "bad_field")
    bad("client_hello", "max_message above 1 GiB", but(CLIENT_HELLO, max_message=1073741825), "bad_field")
    bad("client_hello", "unknown mechanism", but(CLIENT_HELLO, mech="PLAIN"), "bad_field")
    bad("client_hello", "user above 256 bytes", but(CLIENT_HELLO, user="u" * 257), "bad_field")
    bad("client_hello", "257 capabilities", but(CLIENT_HELLO, caps=["c"] * 257), "bad_field")
    bad("client_hello", "capability is a number", but(CLIENT_HELLO, caps=[1]), "bad_field")
    bad("client_hello", "initial above 4 KiB", but(CLIENT_HELLO, initial=b"x" * 4097), "bad_field")
    bad("client_hello", "version as a double", but(CLIENT_HELLO, min=1.0), "bad_field")
    bad("client_hello", "user twice", list(CLIENT_HELLO.items()) + [("user", "bob")], "duplicate_field")
    bad("client_hello", "unknown critical field in hello", but(CLIENT_HELLO, **{"!zzz": 1}), "unknown_critical")

    good("server_hello", "server hello", SERVER_HELLO)
    good("server_hello", "server hello with a connection id above 2^63", but(SERVER_HELLO, connection_id=counter(2**64 - 1), authenticated=True))
    bad("server_hello", "server hello without version", but(SERVER_HELLO, version=...), "missing_field")
    bad("server_hello", "gates as text", but(SERVER_HELLO, gates="gate2:15300"), "bad_field")

    good("auth", "auth", {"data": b"c=biws"})
    good("auth", "last auth", {"data": b"v=", "authenticated": True})
    good("auth", "authenticated false is left out", {"data": b"", "authenticated": False}, {"data": b""})
    bad("auth", "auth without data", {}, "missing_field")
    bad("auth", "data as text", {"data": "c=biws"}, "bad_field")
    bad("auth", "data above 4 KiB", {"data": b"x" * 4097}, "bad_field")

    execute = {"op": "execute", "sql": "select 1"}
    good("request", "open", {"op": "open", "s": 1, "state": {"target": "flights:-80@replica", "autocommit": False, "found_rows": True,
         "variables": {"sql_mode": "'ANSI'", "time_zone": "'+00:00'"}}})
    good("request", "open without settings", {"op": "open", "s": 2**53 - 1})
    good("request", "close", {"op": "close", "s": 1})
    good("request", "reset", {"op": "reset", "s": 1})
    good("request", "stateless execute", execute)
    good("request", "execute with everything", {"op": "execute", "s": 3, "chain": True, "credit": 0, "deadline_ms": 2**32 - 1, "caller": "ann",
         "trace": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "sql": "select :a", "binds": {"a": 1}, "!target": "ks:0", "!max_rows": 10,
         "!read_only": True, "fh": counter(0xEF46DB3751D8E999), "warnings": 5, "!position": b"\1\2", "share": "next", "facts": True, "app": "shop",
         "row_key": "t\0id\x001"})
    good("request", "a read that runs by itself", {**execute, "share": "off"})
    good("request", "a read that may join a running one", {**execute, "share": "running"})
    good("request", "begin", {"op": "begin", "s": 1, "begin": {"isolation": "READ COMMITTED", "read_only": False, "snapshot": True, "mode": "twopc", "max_ms": 5000}})
    good("request", "open with what a session has besides settings", {"op": "open", "s": 1, "state": {
         "user_variables": {"a b": "_utf8mb4 x'61'", "\u00e4": "5"}, "prepared": {"s": "select ?"}, "last_insert_id": counter(2**64 - 1)}})
    good("request", "a statement with values of its session", {**execute, "values": {"user_variables": {"x": "NULL"}, "last_insert_id": 0, "found_rows": 0, "back": True, "whole": True}})
    good("request", "a statement with no value of its session", {**execute, "values": {}})
    good("request", "begin as it is", {"op": "begin", "s": 1})
    good("request", "commit, chained", {"op": "commit", "s": 1, "chain": True})
    good("request", "rollback", {"op": "rollback", "s": 1})
    good("request", "batch", {"op": "batch", "s": 1, "items": [{"sql": "insert into t values (:a)", "binds": {"a": 1}}, {"binds": {"a": 2}}], "atomic": True})
    good("request", "describe", {"op": "describe", "sql": "select ?"})
    good("request", "schema of a tablet", {"op": "tablet.schema"})
    good("request", "what a tablet's executions were shared for", {"op": "tablet.consolidations"})
    good("request", "integers in the wide form", [("op", "execute"), ("s", I64(3)), ("sql", "select 1")], {"op": "execute", "s": 3, "sql": "select 1"})
    good("request", "another order", [("sql", "select 1"), ("op", "execute")], execute)
    good("request", "defaults are left out", {**execute, "chain": False, "credit": 262144, "binds": {}, "warnings": 0, "atomic": False}, execute)
    good("request", "unknown field", {**execute, "hint": {"a": [1]}}, execute)
    bad("request", "unknown critical field", {**execute, "!cell": "eu"}, "unknown_critical")
    bad("request", "unknown critical field of a session", {"op": "open", "s": 1, "state": {"!role": "x"}}, "unknown_critical")
    bad("request", "unknown op", {"op": "explode"}, "unknown_op")
    bad("request", "no op", {"sql": "select 1"}, "missing_field")
    bad("request", "op is a number", {"op": 3}, "bad_field")
    bad("request", "op twice", [("op", "execute"), ("op", "execute"), ("sql", "select 1")], "duplicate_field")
    bad("request", "execute without sql", {"op": "execute"}, "missing_field")
    bad("request", "begin without session", {"op": "begin"}, "missing_field")
    bad("request", "session 0", {"op": "close", "s": 0}, "bad_field")
    bad("request", "session of 2^53", {"op": "close", "s": 2**53}, "bad_field")
    bad("request", "negative session", {"op": "close", "s": -1}, "bad_field")
    bad("request", "session as a double", {"op": "close", "s": 1.0}, "bad_field")
    bad("request", "chain as a number", {**execute, "chain": 1}, "bad_field")
    bad("request", "credit of 2^31", {**execute, "credit": 2**31}, "bad_field")
    bad("request", "negative deadline", {**execute, "deadline_ms": -1}, "bad_field")
    bad("request", "target that cannot be read", {**execute, "!target": "ks@master"}, "bad_field")
    bad("request", "position above 4 KiB", {**execute, "!position": b"x" * 4097}, "bad_field")
    bad("request", "binds as an array", {**execute, "binds": [1]}, "bad_field")
    bad("request", "bind twice", {**execute, "binds": Raw(3, doc([("a", 1), ("a", 2)]))}, "duplicate_field")
    bad("request", "bind without a name", {**execute, "binds": {"": 1}}, "bad_field")
    bad("request", "batch without items", {"op": "batch", "items": []}, "missing_field")
    bad("request", "first item without sql", {"op": "batch", "items": [{}]}, "missing_field")
    bad("request", "item is text", {"op": "batch", "items": ["select 1"]}, "bad_field")
    bad("request", "unknown way to share", {**execute, "share": "always"}, "bad_field")
    bad("request", "facts as a number", {**execute, "facts": 1}, "bad_field")
    bad("request", "application above 256 bytes", {**execute, "app": "x" * 257}, "bad_field")
    bad("request", "row key above 4 KiB", {**execute, "row_key": "x" * 4097}, "bad_field")
    bad("request", "unknown isolation", {"op": "begin", "s": 1, "begin": {"isolation": "SNAPSHOT"}}, "bad_field")
    bad("request", "unknown mode", {"op": "begin", "s": 1, "begin": {"mode": "many"}}, "bad_field")
    bad("request", "variable with an upper-case name", {"op": "open", "s": 1, "state": {"variables": {"SQL_MODE": "''"}}}, "bad_field")
    bad("request", "variable that is SQL", {"op": "open", "s": 1, "state": {"variables": {"a=1, b": "1"}}}, "bad_field")
    bad("request", "variable twice", {"op": "open", "s": 1, "state": {"variables": Raw(3, doc([("a", "1"), ("a", "2")]))}}, "duplicate_field")
    bad("request", "user variable without a name", {"op": "open", "s": 1, "state": {"user_variables": {"": "1"}}}, "bad_field")
    bad("request", "user variable with a name above 256 bytes", {"op": "open", "s": 1, "state": {"user_variables": {"x" * 257: "1"}}}, "bad_field")
    bad("request", "user variable twice", {"op": "open", "s": 1, "state": {"user_variables": Raw(3, doc([("a", "1"), ("a", "2")]))}}, "duplicate_field")
    bad("request", "257 user variables", {**execute, "values": {"user_variables": {f"v{at}": "1" for at in range(257)}}}, "bad_field")
    bad("request", "prepared statement that is no text", {"op": "open", "s": 1, "state": {"prepared": {"a": 1}}}, "bad_field")
    bad("request", "date in an unknown field", {**execute, "x": Raw(9, b"\0" * 8)}, "bad_type", True)

    row = b"\x01\0\0\0\xfb"
    good("reply", "empty reply", {})
    good("reply", "a point select in one frame", {"fields": b"\0", "fh": 1, "end": {"rows": 1}, "n": 1, "rows": row})
    good("reply", "fields are known", {"fh": counter(2**63), "n": 2, "rows": row + row})
    good("reply", "no rows", {"fh": 5, "end": {}})
    good("reply", "an insert", {"end": {"affected": 1, "insert_id": counter(2**64 - 1), "status": 2, "position": b"gtid", "info": "Records: 1"}})
    good("reply", "end with everything", {"end": {"rows": 2, "affected": 3, "insert_id": 4, "warnings": 1, "status": 10, "in_tx": True, "pinned": True, "position": b"p",
         "matched": 5, "info": "i", "capped": {"by": "gate", "limit": 2}, "state": {"target": "ks", "autocommit": True, "variables": {"sql_mode": "''"}},
         "texts": [{"level": "Warning", "errno": 1265, "message": "Data truncated"}], "item": 1,
         "ran": {"shards": 2, "wait_us": 10, "mysql_us": 900, "shared": True, "slowest": "-80", "slowest_us": 800}}})
    good("reply", "values of the session after a statement", {"end": {"values": {"user_variables": {"x": "1.5"}, "found_rows": 1000}}})
    good("reply", "state besides settings", {"end": {"state": {"user_variables": {"x": "NULL"}, "prepared": {"s": ""}, "last_insert_id": 7}}})
    good("reply", "ran by itself on one shard", {"end": {"ran": {"shards": 1, "mysql_us": counter(2**64 - 1)}}})
    good("reply", "describe", {"params": 2})
    good("reply", "schema", {"json": "{}", "end": {}})
    good("reply", "rows need not come last", [("rows", row), ("n", 1)], {"n": 1, "rows": row})
    good("reply", "unknown fields of a reply", {"end": {"zzz": 1}, "yyy": "x"}, {"end": {}})
    bad("reply", "rows without a count", {"rows": row}, "missing_field")
    bad("reply", "count without rows", {"n": 1}, "missing_field")
    bad("reply", "rows as text", {"n": 1, "rows": "x"}, "bad_field")
    bad("reply", "end twice", [("end", {}), ("end", {})], "duplicate_field")
    bad("reply", "capped by nobody", {"end": {"capped": {"limit": 1}}}, "missing_field")
    bad("reply", "shards as text", {"end": {"ran": {"shards": "2"}}}, "bad_field")
    bad("reply", "status above 65,535", {"end": {"status": 65536}}, "bad_field")

    good("error", "deadlock", ERROR_BODY)
    good("error", "error with everything", {"errno": 61002, "sqlstate": "08S01", "code": "unavailable", "message": "shard -80 has no primary", "executed": "no", "retryable": True,
         "in_tx": True, "retry_after_ms": 50, "elsewhere": True, "shard": "-80", "item": 3})
    good("error", "partial", but(ERROR_BODY, code="internal", executed="partial", retryable=...))
    good("error", "unknown code", but(ERROR_BODY, code="on_fire"))
    good("error", "unknown executed reads as unknown", but(ERROR_BODY, executed="maybe", retryable=...), but(ERROR_BODY, executed="unknown", retryable=...))
    good("error", "retryable needs executed no", but(ERROR_BODY, executed="unknown"), but(ERROR_BODY, executed="unknown", retryable=...))
    good("error", "text of other scripts", but(ERROR_BODY, message="表 does not exist"))
    for name in ("errno", "sqlstate", "code"):
        bad("error", f"error without {name}", but(ERROR_BODY, **{name: ...}), "missing_field")
    bad("error", "SQLSTATE of four characters", but(ERROR_BODY, sqlstate="4000"), "bad_field")
    bad("error", "SQLSTATE with a space", but(ERROR_BODY, sqlstate="4000 "), "bad_field")
    bad("error", "errno above 65,535", but(ERROR_BODY, errno=65536), "bad_field")

    good("credit", "credit", {"bytes": 65536})
    good("credit", "largest credit", {"bytes": 2**31 - 1})
    bad("credit", "credit of 0", {"bytes": 0}, "bad_field")
    bad("credit", "credit of 2^31", {"bytes": 2**31}, "bad_field")
    bad("credit", "credit without bytes", {}, "missing_field")
    good("goaway", "goaway", {"drain_ms": 30000, "reason": "restart"})
    bad("goaway", "goaway without time", {"reason": "x"}, "missing_field")
    cases.append({"name": "cancel and ping", "type": "empty", "body": EMPTY.hex()})
    cases.append({"name": "ping with an unknown field", "type": "empty", "body": doc({"t": 1}).hex(), "canonical": EMPTY.hex()})
    bad("empty", "cancel with a critical field", {"!why": 1}, "unknown_critical")
    return cases
