"""Stops a statement that takes too long: once by a deadline, once by cancelling its task.

`python examples/cancel.py`, while `vitrail demo` runs.
"""

import asyncio
import sys

import vitrail
from vitrail import aio

url = sys.argv[1] if len(sys.argv) > 1 else "vitrail://demo@127.0.0.1:15300/flights"


async def main() -> None:
    """The connection is usable after both."""
    async with await aio.connect(url) as connection:
        try:
            await connection.fetchval("SELECT SLEEP(10)", timeout=0.2)
        except vitrail.DeadlineError as error:
            print(f"deadline: {error}")
        try:
            await asyncio.wait_for(connection.fetchval("SELECT SLEEP(10)"), 0.2)
        except (asyncio.TimeoutError, TimeoutError):
            print("cancelled")
        print(await connection.fetchval("SELECT 'still here'"))


asyncio.run(main())
