"""Values of binds, and their literals."""

from .bson import I64, Raw, doc


def values():
    def case(name, value):
        return {"name": name, "body": doc({"op": "execute", "sql": "select :b", "binds": {"b": value}}).hex()}

    def typed(kind, value, **more):
        return {"t": kind, **more, "v": value}

    point = bytes.fromhex("e6100000" "0101000000" "000000000000f03f" "0000000000000040")
    good = [
        ("null", None, {"null": True}),
        ("integer", 5, {"int": "5"}),
        ("negative integer", -5, {"int": "-5"}),
        ("integer of 32 bits in the wide form", I64(5), {"int": "5"}),
        ("least integer", -(2**63), {"int": str(-(2**63))}),
        ("largest signed integer", 2**63 - 1, {"int": str(2**63 - 1)}),
        ("true", True, {"int": "1"}),
        ("false", False, {"int": "0"}),
        ("double", 1.5, {"double": 1.5}),
        ("negative zero", -0.0, {"double": -0.0}),
        ("largest double", 1.7976931348623157e308, {"double": 1.7976931348623157e308}),
        ("text", "O'Hare \\ \U0001f6eb", {"text": "O'Hare \\ \U0001f6eb"}),
        ("empty text", "", {"text": ""}),
        ("bytes", b"\0\xff'", {"bytes": "00ff27"}),
        ("no bytes", b"", {"bytes": ""}),
        ("largest unsigned", typed("u64", str(2**64 - 1)), {"uint": str(2**64 - 1)}),
        ("u64 that fits a signed integer", typed("u64", "7"), {"int": "7"}),
        ("decimal", typed("decimal", "-123.4500"), {"decimal": "-123.4500"}),
        ("decimal of 65 digits", typed("decimal", "9" * 65), {"decimal": "9" * 65}),
        ("date", typed("date", "2026-11-24"), {"date": "2026-11-24"}),
        ("zero date", typed("date", "0000-00-00"), {"date": "0000-00-00"}),
        ("time beyond a day", typed("time", "-838:59:59.000001"), {"time": "-838:59:59.000001"}),
        ("datetime", typed("datetime", "2026-11-24 02:30:00.5"), {"datetime": "2026-11-24 02:30:00.5"}),
        ("JSON", typed("json", '{"a": [1, null]}'), {"json": '{"a": [1, null]}'}),
        ("bit", typed("bit", b"\x05"), {"bit": "05"}),
        ("geometry", typed("geometry", point), {"geometry": point.hex()}),
        ("text in latin1", typed("text", b"caf\xe9", cs="latin1"), {"charset_text": ["latin1", "636166e9"]}),
        ("v before t", {"v": "1.0", "t": "decimal"}, {"decimal": "1.0"}),
        ("unknown field of a typed value", {"t": "decimal", "v": "1.0", "note": 1}, {"decimal": "1.0"}),
        ("list", [1, "a", None, typed("decimal", "1.5")], {"list": [{"int": "1"}, {"text": "a"}, {"null": True}, {"decimal": "1.5"}]}),
        ("list of tuples", [[1, "a"], [2, "b"]], {"list": [{"tuple": [{"int": "1"}, {"text": "a"}]}, {"tuple": [{"int": "2"}, {"text": "b"}]}]}),
    ]
    bad = [
        ("NaN", float("nan"), "bad_field"),
        ("infinity", float("-inf"), "bad_field"),
        ("empty list", [], "bad_field"),
        ("empty tuple", [[]], "bad_field"),
        ("tuples of two lengths", [[1], [1, 2]], "bad_field"),
        ("scalar among tuples", [[1], 1], "bad_field"),
        ("list in a tuple", [[[1]]], "bad_field"),
        ("unknown type", typed("uuid", "x"), "unknown_value_type"),
        ("no t", {"v": "1"}, "bad_field"),
        ("no v", {"t": "decimal"}, "bad_field"),
        ("t twice", Raw(3, doc([("t", "date"), ("t", "time"), ("v", "00:00:00")])), "duplicate_field"),
        ("critical field of a typed value", {"t": "decimal", "v": "1", "!scale": 2}, "unknown_critical"),
        ("u64 above 64 bits", typed("u64", str(2**64)), "bad_field"),
        ("u64 with a sign", typed("u64", "+1"), "bad_field"),
        ("u64 as an integer", typed("u64", 1), "bad_field"),
        ("decimal with an exponent", typed("decimal", "1e3"), "bad_field"),
        ("decimal that is SQL", typed("decimal", "1; drop table t"), "bad_field"),
        ("decimal of 66 digits", typed("decimal", "9" * 66), "bad_field"),
        ("decimal of other digits", typed("decimal", "\u0663"), "bad_field"),
        ("date with a time", typed("date", "2026-11-24 00:00:00"), "bad_field"),
        ("month 13", typed("date", "2026-13-01"), "bad_field"),
        ("839 hours", typed("time", "839:00:00"), "bad_field"),
        ("seven digits of fraction", typed("time", "00:00:00.1234567"), "bad_field"),
        ("datetime with a zone", typed("datetime", "2026-11-24 00:00:00Z"), "bad_field"),
        ("datetime with T", typed("datetime", "2026-11-24T00:00:00"), "bad_field"),
        ("bit of 9 bytes", typed("bit", b"x" * 9), "bad_field"),
        ("bit of none", typed("bit", b""), "bad_field"),
        ("geometry too short", typed("geometry", b"x" * 8), "bad_field"),
        ("text without charset", typed("text", b"x"), "bad_field"),
        ("charset that is SQL", typed("text", b"x", cs="latin1 '"), "bad_field"),
        ("charset on a decimal", typed("decimal", "1", cs="latin1"), "bad_field"),
    ]
    closing = [("decimal128", Raw(0x13, b"\0" * 16), "bad_type"), ("BSON date", Raw(9, b"\0" * 8), "bad_type")]
    cases = [{**case(name, value), "value": expected} for name, value, expected in good]
    cases += [{**case(name, value), "error": error, "closes": False} for name, value, error in bad]
    return cases + [{**case(name, value), "error": error, "closes": True} for name, value, error in closing]
