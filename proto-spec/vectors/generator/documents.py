"""Documents: what the raw walk passes."""

from .bson import EMPTY, Raw, doc


def nested(levels, array=False):
    body = EMPTY
    for _ in range(levels - 1):
        body = doc([("0" if array else "a", Raw(4 if array else 3, body))])
    return body


def documents():
    good = {
        "empty": EMPTY,
        "every type": doc({"a": 1.5, "b": "x", "c": {}, "d": [], "e": b"\0", "f": True, "g": None, "h": 1, "i": 2**40}),
        "empty name": doc({"": 1}),
        "NUL inside text": doc({"a": "x\0y"}),
        "text in four bytes of UTF-8": doc({"a": "\U0001f6a2"}),
        "array names are not looked at": doc([("a", Raw(4, doc([("7", 1), ("x", 2)])))]),
        "names may repeat where nobody knows them": doc([("x", 1), ("x", 2)]),
        "16 levels": nested(16),
        "16 levels of arrays": nested(16, True),
        "NaN is structure enough": doc({"a": float("nan")}),
    }
    bad = {
        "no bytes": (b"", "bad_structure"),
        "four bytes": (b"\x04\0\0\0", "bad_structure"),
        "length above the bytes": (b"\x06\0\0\0\0", "bad_structure"),
        "length below the bytes": (EMPTY + b"\0", "bad_structure"),
        "negative length": (b"\xff\xff\xff\xff\0", "bad_structure"),
        "no terminator": (b"\x05\0\0\0\x01", "bad_structure"),
        "terminator too early": (b"\x07\0\0\0\0\0\0", "bad_structure"),
        "name without end": (b"\x08\0\0\0\x0aab\0"[:7] + b"b", "bad_structure"),
        "name is not UTF-8": (doc([(b"\xff", 1)]), "bad_utf8"),
        "text is not UTF-8": (doc([("a", Raw(2, b"\x02\0\0\0\xff\0"))]), "bad_utf8"),
        "surrogate in text": (doc([("a", Raw(2, b"\x04\0\0\0\xed\xa0\x80\0"))]), "bad_utf8"),
        "text of length 0": (doc([("a", Raw(2, b"\0\0\0\0"))]), "bad_structure"),
        "text without NUL": (doc([("a", Raw(2, b"\x01\0\0\0x"))]), "bad_structure"),
        "text beyond the document": (doc([("a", Raw(2, b"\x40\0\0\0x\0"))]), "bad_structure"),
        "binary beyond the document": (doc([("a", Raw(5, b"\x40\0\0\0\0x"))]), "bad_structure"),
        "negative binary": (doc([("a", Raw(5, b"\xff\xff\xff\xff\0"))]), "bad_structure"),
        "binary of subtype 2": (doc([("a", Raw(5, b"\0\0\0\0\2"))]), "bad_type"),
        "binary of subtype 128": (doc([("a", Raw(5, b"\0\0\0\0\x80"))]), "bad_type"),
        "boolean 2": (doc([("a", Raw(8, b"\2"))]), "bad_bool"),
        "cut integer": (doc([("a", Raw(16, b"\0\0"))]), "bad_structure"),
        "inner document beyond the outer": (doc([("a", Raw(3, b"\x40\0\0\0\0"))]), "bad_structure"),
        "inner document of length 4": (doc([("a", Raw(3, b"\x04\0\0\0\0"))]), "bad_structure"),
        "inner document without terminator": (doc([("a", Raw(3, b"\x05\0\0\0\1"))]), "bad_structure"),
        "17 levels": (nested(17), "too_deep"),
        "500 levels": (nested(500), "too_deep"),
    }
    types = {6: "undefined", 7: "object id", 9: "date", 11: "regular expression", 12: "pointer", 13: "code", 14: "symbol", 15: "code with scope",
             17: "timestamp", 19: "decimal128", 127: "maximum key", 255: "minimum key"}
    for number, name in types.items():
        bad[f"{name} in an unknown field"] = (doc([("x", Raw(number, b"\0" * 16))]), "bad_type")
    cases = [{"name": name, "body": body.hex()} for name, body in good.items()]
    return cases + [{"name": name, "body": body.hex(), "error": error, "closes": True} for name, (body, error) in bad.items()]
