"""A few tasks of the librarian in a process of its own, which says how long they took."""

import asyncio
import sys
import time

from agora.app import runs


async def main() -> None:
    async with runs.opened() as running:
        begun = time.monotonic()
        for number in range(5):
            given = {"task": {"text": f"what is number {number}?"}}
            await running.start("task", given, f"traced-{number}", lambda told: None)
        sys.stdout.write(f"{time.monotonic() - begun}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main())
