"""The most delayed flights from Chicago. `python examples/quickstart.py`, while `vitrail demo` runs."""

import sys

import vitrail

url = sys.argv[1] if len(sys.argv) > 1 else "vitrail://demo@127.0.0.1:15300/flights"

with vitrail.connect(url) as connection:
    cursor = connection.cursor()
    cursor.execute(
        "SELECT destination, delay FROM flight WHERE origin = %(origin)s ORDER BY delay DESC, id LIMIT 3",
        {"origin": "ORD"},
    )
    for destination, delay in cursor:
        print(f"{destination} {delay} minutes")
