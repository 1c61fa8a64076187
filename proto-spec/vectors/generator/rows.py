"""Packed rows, fields, and the hash of fields."""

import struct


def lenenc(data):
    size = len(data)
    if size < 251:
        return bytes([size]) + data
    if size < 2**16:
        return b"\xfc" + struct.pack("<H", size) + data
    return b"\xfd" + struct.pack("<I", size)[:3] + data


def text_row(cells):
    return b"".join(b"\xfb" if cell is None else lenenc(cell) for cell in cells)


def packed(parts):
    return b"".join(struct.pack("<I", len(part)) + part for part in parts)


def rows():
    good = {
        "one row": [[b"1", b"Frankfurt", None]],
        "two rows": [[b"1"], [b"2"]],
        "only NULL": [[None, None]],
        "empty cell": [[b"", b"x"]],
        "250 and 251 bytes": [[b"a" * 250, b"b" * 251]],
        "65,535 and 65,536 bytes": [[b"a" * 65535], [b"b" * 65536]],
        "bytes that are no text": [[b"\xff\xfe\x00"]],
        "no rows": [],
    }
    cases = []
    for name, table in good.items():
        cells = [[None if cell is None else cell.hex() for cell in row] for row in table]
        cases.append({"name": name, "packed": packed(map(text_row, table)).hex(), "n": len(table), "rows": cells})
    bad = {
        "count below": (packed([b"\x011", b"\x012"]), 1),
        "count above": (packed([b"\x011"]), 2),
        "cut length": (b"\x02\0\0", 1),
        "row beyond the batch": (b"\x03\0\0\0\x011", 1),
        "length of 2^32 - 1": (b"\xff\xff\xff\xff\x011", 1),
        "cell beyond the row": (packed([b"\x05abc"]), 1),
        "cut wide length": (packed([b"\xfc\x01"]), 1),
        "cell of 2^64 - 1": (packed([b"\xfe" + b"\xff" * 8]), 1),
        "FF is no length": (packed([b"\xff"]), 1),
    }
    return cases + [{"name": name, "packed": data.hex(), "n": count, "error": "bad_packing", "closes": True} for name, (data, count) in bad.items()]


def xxh64(data):
    """xxHash64 with seed 0, after its specification."""
    mask = 2**64 - 1
    p1, p2, p3, p4, p5 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5

    def rotate(value, bits):
        return ((value << bits) | (value >> (64 - bits))) & mask

    def turn(lane, word):
        return rotate((lane + word * p2) & mask, 31) * p1 & mask

    at, size = 0, len(data)
    if size >= 32:
        lanes = [(p1 + p2) & mask, p2, 0, -p1 & mask]
        while at + 32 <= size:
            lanes = [turn(lane, word) for lane, word in zip(lanes, struct.unpack_from("<4Q", data, at))]
            at += 32
        result = sum(rotate(lane, bits) for lane, bits in zip(lanes, (1, 7, 12, 18))) & mask
        for lane in lanes:
            result = ((result ^ turn(0, lane)) * p1 + p4) & mask
    else:
        result = p5
    result = (result + size) & mask
    while at + 8 <= size:
        result = (rotate(result ^ turn(0, struct.unpack_from("<Q", data, at)[0]), 27) * p1 + p4) & mask
        at += 8
    if at + 4 <= size:
        result = (rotate(result ^ struct.unpack_from("<I", data, at)[0] * p1 & mask, 23) * p2 + p3) & mask
        at += 4
    for byte in data[at:]:
        result = rotate(result ^ byte * p5 & mask, 11) * p1 & mask
    for shift, prime in ((33, p2), (29, p3)):
        result = (result ^ (result >> shift)) * prime & mask
    return result ^ (result >> 32)


assert xxh64(b"") == 0xEF46DB3751D8E999 and xxh64(b"abc") == 0x44BC2CF5AD770999


def definition(schema="flights", table="f", org_table="flight", name="km", org_name="distance", charset=63, length=11, type=3, flags=1, decimals=0):
    names = b"".join(lenenc(each.encode()) for each in ("def", schema, table, org_table, name, org_name))
    return names + b"\x0c" + struct.pack("<HIBHB", charset, length, type, flags, decimals) + b"\0\0"


def fields():
    columns = {
        "an INT column": [{}],
        "an expression": [dict(schema="", table="", org_table="", name="count(*)", org_name="", length=21, type=8)],
        "BIGINT UNSIGNED": [dict(type=8, flags=33, length=20)],
        "text": [dict(charset=45, type=253, length=1020, name="größe")],
        "DECIMAL": [dict(type=246, decimals=2, length=12)],
        "alias of 251 bytes": [dict(name="a" * 251)],
        "two columns": [{}, dict(name="carrier", org_name="carrier", charset=255, type=254, length=8, flags=0)],
    }
    cases = []
    for name, list_ in columns.items():
        data = packed([definition(**column) for column in list_])
        full = [{**dict(schema="flights", table="f", org_table="flight", name="km", org_name="distance", charset=63, length=11, type=3, flags=1, decimals=0), **column} for column in list_]
        cases.append({"name": name, "packed": data.hex(), "fh": f"{xxh64(data):016x}", "columns": full})
    whole = definition()
    bad = {
        "another catalogue": packed([b"\x03abc" + whole[4:]]),
        "cut definition": packed([whole[:-1]]),
        "definition with bytes behind": packed([whole + b"\0"]),
        "fixed part of another length": packed([whole.replace(b"\x0c\x3f", b"\x0d\x3f")]),
        "definition beyond the fields": struct.pack("<I", 500) + whole,
        "name beyond the definition": packed([b"\x03def\xfc\xff\xff"]),
        "empty definition": packed([b""]),
    }
    return cases + [{"name": name, "packed": data.hex(), "error": "bad_packing", "closes": True} for name, data in bad.items()]
