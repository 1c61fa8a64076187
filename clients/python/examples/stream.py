"""Reads a table row by row, in little memory, and stops in the middle. `python examples/stream.py`, while `vitrail demo` runs."""

import asyncio
import sys

from vitrail import aio

url = sys.argv[1] if len(sys.argv) > 1 else "vitrail://demo@127.0.0.1:15300/flights"


async def main() -> None:
    """Counts flights until one is delayed by more than three hours."""
    async with await aio.connect(url) as connection:
        count = 0
        async with connection.cursor("SELECT origin, destination, delay FROM flight ORDER BY origin, id") as flights:
            async for flight in flights:
                count += 1
                if flight["delay"] > 180:
                    print(f"number {count}: {flight['origin']} to {flight['destination']}, {flight['delay']} minutes")
                    break
        print(await connection.fetchval("SELECT COUNT(*) FROM flight"), "flights in all")


asyncio.run(main())
