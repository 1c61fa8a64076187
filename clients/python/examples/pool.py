"""Many tasks over one socket. `python examples/pool.py`, while `vitrail demo` runs."""

import asyncio
import sys

from vitrail import aio

url = sys.argv[1] if len(sys.argv) > 1 else "vitrail://demo@127.0.0.1:15300/flights"


async def main() -> None:
    """Asks for the busiest airports, all at once."""
    async with await aio.create_pool(url, pool_max=1) as pool:
        airports = [row["iata"] for row in await pool.fetch("SELECT iata FROM airport ORDER BY iata LIMIT 50")]
        counts = await asyncio.gather(*(pool.fetchval("SELECT COUNT(*) FROM flight WHERE origin = %s", iata) for iata in airports))
        for count, iata in sorted(zip(counts, airports, strict=True), reverse=True)[:3]:
            print(f"{iata}: {count} flights")
        print(f"over {pool.get_size()} socket")


asyncio.run(main())
