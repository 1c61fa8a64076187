"""Whole conversations."""

import base64

from .bson import EMPTY, counter, doc
from .frames import (
    AUTH,
    CANCEL,
    CREDIT,
    END,
    ERROR,
    GOAWAY,
    HELLO,
    KINDS,
    MORE,
    PING,
    REPLY,
    REQUEST,
    frame,
    sized,
)
from .messages import CLIENT_HELLO, SERVER_HELLO, but
from .rows import definition, packed, text_row, xxh64
from .scram import scram_exchange


class Transcript:
    """A conversation after authentication, unless it begins otherwise."""

    def __init__(self, name, about, authenticated=True):
        self.data = {"name": name, "about": about, "authenticated": authenticated, "steps": []}

    def step(self, side, data, messages_, **more):
        self.data["steps"].append({"side": side, "hex": data.hex(), "messages": messages_, **more})
        return self

    def send(self, side, kind, ident, fields_, flags=0, **more):
        return self.step(side, frame(kind, ident, doc(fields_), flags), [f"{KINDS[kind]} {ident}"], **more)

    def request(self, ident, **fields_):
        order = ("op", "s", "chain", "credit", "sql")
        known = {name: fields_.pop(name) for name in order if name in fields_}
        return self.send("client", REQUEST, ident, {**known, **{name.replace("X", "!"): value for name, value in fields_.items()}})

    def reply(self, ident, fields_, flags=END):
        return self.send("server", REPLY, ident, fields_, flags)

    def error(self, ident, code, errno, state, **more):
        body = {"errno": errno, "sqlstate": state, "code": code, "message": f"{code} in a vector", "executed": "no", **more}
        return self.send("server", ERROR, ident, body, END)

    def cancel(self, ident):
        return self.send("client", CANCEL, ident, {})


def transcripts():
    exchange = scram_exchange("ann", "pencil", "rOprNGfwEbeRWgbNEkqO", "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ=="), 4096)
    row = packed([text_row([b"1"])])
    columns = packed([definition(schema="", table="", org_table="", name="1", org_name="")])
    point = {"fields": columns, "fh": counter(xxh64(columns)), "end": {"rows": 1, "status": 2}, "n": 1, "rows": row}
    all_ = []

    def new(name, about, **more):
        all_.append(Transcript(name, about, **more))
        return all_[-1]

    new("hello", "Authentication by SCRAM, a session and its first statement sent together, a point select in one frame.", authenticated=False) \
        .send("client", HELLO, 0, but(CLIENT_HELLO, initial=exchange["client_first"].encode())) \
        .send("server", HELLO, 0, but(SERVER_HELLO, challenge=exchange["server_first"].encode())) \
        .send("client", AUTH, 0, {"data": exchange["client_final"].encode()}) \
        .send("server", AUTH, 0, {"data": exchange["server_final"].encode(), "authenticated": True}) \
        .step("client", frame(REQUEST, 1, doc({"op": "open", "s": 1, "state": {"target": "flights"}})) + frame(REQUEST, 2, doc({"op": "execute", "s": 1, "sql": "select 1"})), ["REQUEST 1", "REQUEST 2"]) \
        .reply(1, {"end": {}}).reply(2, point).send("client", PING, 0, {}).send("server", PING, 0, {}, END)
    new("wrong-password", "A proof that does not fit: ERROR on id 0, and the server closes.", authenticated=False) \
        .send("client", HELLO, 0, but(CLIENT_HELLO, initial=exchange["client_first"].encode())) \
        .send("server", HELLO, 0, but(SERVER_HELLO, challenge=exchange["server_first"].encode())) \
        .send("client", AUTH, 0, {"data": exchange["client_final"].replace("p=", "p=AAAA")[:-4].encode()}) \
        .error(0, "unauthenticated", 1045, "28000")
    new("unknown-capability", "A capability that the server does not know is ignored: the answer holds the common ones.", authenticated=False) \
        .send("client", HELLO, 0, but(CLIENT_HELLO, caps=["x.unheard-of"], mech="NONE", initial=b"")) \
        .send("server", HELLO, 0, but(SERVER_HELLO, caps=[], challenge=b"", authenticated=True)) \
        .request(1, op="execute", sql="select 1").reply(1, point)
    new("version", "No common version: the server names its range and closes.", authenticated=False) \
        .send("client", HELLO, 0, but(CLIENT_HELLO, min=7, max=9)).error(0, "unsupported", 1235, "42000")
    new("chain-failure", "A pipeline whose second statement fails: the rest is skipped, the COMMIT too, then a rollback.") \
        .request(1, op="begin", s=1).request(2, op="execute", s=1, chain=True, sql="insert into t values (1)") \
        .request(3, op="execute", s=1, chain=True, sql="insert into t values (2)").request(4, op="commit", s=1, chain=True) \
        .reply(1, {"end": {"in_tx": True}}).error(2, "constraint", 1062, "23000", in_tx=True) \
        .error(3, "skipped", 61003, "HY000", in_tx=True).error(4, "skipped", 61003, "HY000", in_tx=True) \
        .request(5, op="rollback", s=1).reply(5, {"end": {}})
    new("late-cancel", "The cancel meets a request that has ended: nothing more is said of it.") \
        .request(1, op="execute", sql="select 1").reply(1, point).cancel(1).request(2, op="execute", sql="select 1").reply(2, point)
    new("running-cancel", "A running statement is cancelled: its END is the answer, and rows before it are void.") \
        .request(1, op="execute", sql="select * from flight").reply(1, {"fields": columns, "fh": 1, "n": 1, "rows": row}, 0) \
        .cancel(1).error(1, "cancelled", 1317, "70100")
    new("queued-cancel", "A request that waits for its session's earlier one is cancelled, and not run.") \
        .request(1, op="execute", s=1, sql="select sleep(1)").request(2, op="execute", s=1, sql="select 2").cancel(2) \
        .reply(1, point).error(2, "cancelled", 1317, "70100")
    new("zero-credit", "Credit 0: nothing with rows comes before CREDIT; control frames do.") \
        .request(1, op="execute", sql="select 1", credit=0).send("client", PING, 0, {}).send("server", PING, 0, {}, END) \
        .send("client", CREDIT, 1, {"bytes": 1}).reply(1, point)
    wide = packed([text_row([b"x" * 300000])])
    body = doc({"fh": 1, "end": {"rows": 1}, "n": 1, "rows": wide})
    cut = 262144
    new("row-above-a-frame", "A row larger than a frame: two fragments; the first is credited when it arrives.") \
        .request(1, op="execute", sql="select repeat('x', 300000)") \
        .step("server", frame(REPLY, 1, body[:cut], MORE | END), []).send("client", CREDIT, 1, {"bytes": cut}) \
        .step("server", frame(REPLY, 1, body[cut:], END), ["REPLY 1"])
    first, second = doc({"n": 1, "rows": packed([text_row([b"a" * 9000])])}), doc({"n": 1, "rows": packed([text_row([b"b" * 7000])])})
    new("interleaved-fragments", "Two large replies share the connection, frame by frame.") \
        .request(1, op="execute", sql="select a").request(2, op="execute", sql="select b") \
        .step("server", frame(REPLY, 1, first[:4096], MORE), []).step("server", frame(REPLY, 2, second[:4096], MORE), []) \
        .step("server", frame(REPLY, 1, first[4096:8192], MORE), []).step("server", frame(REPLY, 2, second[4096:]), ["REPLY 2"]) \
        .step("server", frame(REPLY, 1, first[8192:]), ["REPLY 1"]).reply(2, {"end": {"rows": 1}}).reply(1, {"end": {"rows": 1}})
    upload = sized(150000)
    new("upload", "An upload of 150,000 bytes: 64 KiB at once, the rest after CREDIT.") \
        .step("client", frame(REQUEST, 1, upload[:65536], MORE), []).send("server", CREDIT, 1, {"bytes": 150000 - 65536}) \
        .step("client", frame(REQUEST, 1, upload[65536:]), ["REQUEST 1"]).reply(1, {"end": {}})
    new("refused-upload", "The server has no memory for an upload: ERROR, and the frame under way is dropped.") \
        .step("client", frame(REQUEST, 1, upload[:32768], MORE), []).error(1, "exhausted", 1203, "42000", retryable=True) \
        .step("client", frame(REQUEST, 1, upload[32768:65536], MORE), []).request(2, op="execute", sql="select 1").reply(2, point)
    new("drain-in-transaction", "GOAWAY: the transaction finishes, all else is refused unexecuted.") \
        .request(1, op="begin", s=1).reply(1, {"end": {"in_tx": True}}) \
        .send("server", GOAWAY, 0, {"drain_ms": 30000, "reason": "restart"}) \
        .request(2, op="execute", s=2, sql="select 1").error(2, "draining", 1053, "08S01", retryable=True, elsewhere=True) \
        .request(3, op="execute", s=1, sql="select 1").reply(3, but(point, end={"rows": 1, "in_tx": True})) \
        .request(4, op="commit", s=1).reply(4, {"end": {}})
    new("lost-transaction", "A deadlock ends the transaction; every statement then fails until it is concluded; a commit fails as well, and concludes it.") \
        .request(1, op="begin", s=1).reply(1, {"end": {"in_tx": True}}) \
        .request(2, op="execute", s=1, sql="update t set a = 1").error(2, "conflict", 1213, "40001", retryable=True, in_tx=True) \
        .request(3, op="execute", s=1, sql="update t set a = 2").error(3, "tx_lost", 61004, "40000", in_tx=True) \
        .request(4, op="commit", s=1).error(4, "tx_lost", 61004, "40000") \
        .request(5, op="rollback", s=1).reply(5, {"end": {}})
    new("unknown-kind", "Kinds from 128 are skipped; kind 42 closes the connection.") \
        .step("server", frame(200, 0, b"later"), []).step("client", frame(128, 5, b""), []) \
        .request(1, op="execute", sql="select 1").reply(1, point) \
        .step("client", frame(42, 0, EMPTY), [], error="unknown_kind", closes=True).error(0, "protocol", 61007, "08S01")
    new("unknown-field", "Unknown fields are skipped both ways; a critical one is refused and the connection stays.") \
        .request(1, op="execute", sql="select 1", zzz=1).reply(1, {**point, "yyy": [1]}) \
        .request(2, op="execute", sql="select 1", Xzzz=1)
    all_[-1].data["steps"][-1].update(messages=[], error="unknown_critical", closes=False)
    all_[-1].error(2, "unsupported", 1235, "42000").request(3, op="execute", sql="select 1").reply(3, point)
    new("unknown-op", "An operation that the server does not know ends that request only.").request(1, op="explode")
    all_[-1].data["steps"][-1].update(messages=[], error="unknown_op", closes=False)
    all_[-1].error(1, "unsupported", 1235, "42000").request(2, op="execute", sql="select 1").reply(2, point)
    new("unknown-code", "A code from a later version: the client goes by errno, SQLSTATE and retryable.") \
        .request(1, op="execute", sql="select 1").error(1, "on_fire", 61999, "HY000", retryable=True, retry_after_ms=10)
    return all_
