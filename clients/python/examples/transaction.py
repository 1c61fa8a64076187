"""Moves an amount between two bookings, again where another transaction was in the way.

`python examples/transaction.py`, while `vitrail demo` runs.
"""

import sys
from decimal import Decimal

import vitrail

url = sys.argv[1] if len(sys.argv) > 1 else "vitrail://demo@127.0.0.1:15300/flights"


def transfer(connection: vitrail.Connection, source: int, destination: int, amount: Decimal) -> None:
    """Either both bookings change, or none."""
    with connection.transaction():
        cursor = connection.cursor()
        cursor.execute("UPDATE agency.booking SET price = price - %s WHERE id = %s", (amount, source))
        cursor.execute("UPDATE agency.booking SET price = price + %s WHERE id = %s", (amount, destination))


with vitrail.connect(url, autocommit=True) as connection:
    for attempt in range(5):
        try:
            transfer(connection, 1, 2, Decimal("10.00"))
            break
        except vitrail.OperationalError as error:
            # Nothing of the transaction remains, and all of it may be run again.
            if not error.retryable or attempt == 4:
                raise
            print(f"again: {error}")
    cursor = connection.cursor()
    for id, price in cursor.execute("SELECT id, price FROM agency.booking WHERE id <= 2 ORDER BY id"):
        print(f"booking {id}: {price}")
