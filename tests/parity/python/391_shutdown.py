# SPDX-License-Identifier: MIT
"""The end of a run: what is left over is cancelled and cleans up, then threads are waited for."""

import asyncio
import time

from say import U, say


async def left_over(name, cleanup):
    try:
        await asyncio.sleep(50 * U)
    finally:
        say(name, 'cancelled')
        await asyncio.sleep(cleanup * U)
        say(name, 'cleaned up')


def blocks():
    time.sleep(6 * U)
    say('thread done')


async def main():
    global a
    a = asyncio.create_task(left_over('A', 2))
    asyncio.get_running_loop().run_in_executor(None, blocks)
    await asyncio.sleep(U)
    say('main returns')
    return 5


say('run gave', asyncio.run(main()))
say('cancelled', a.cancelled())
