# SPDX-License-Identifier: MIT
"""Two conditions that share a lock: a buffer of two places, with producers and consumers that wait on their own."""

import asyncio

from say import say

lock = asyncio.Lock()
not_full, not_empty = asyncio.Condition(lock), asyncio.Condition(lock)
buffer = []


async def produce(name, n):
    for i in range(n):
        async with not_full:
            while len(buffer) == 2:
                say(name, 'waits')
                await not_full.wait()
            buffer.append(i)
            say(name, 'puts', i)
            not_empty.notify()


async def consume(name, n):
    for _ in range(n):
        async with lock:
            await not_empty.wait_for(lambda: buffer)
            say(name, 'takes', buffer.pop(0))
            not_full.notify()
        await asyncio.sleep(0)


async def main():
    async with asyncio.TaskGroup() as g:
        g.create_task(consume('A', 3))
        g.create_task(produce('P', 5))
        g.create_task(consume('B', 3))
        g.create_task(produce('Q', 1))
    say('left', len(buffer), 'locked', lock.locked())
    async with lock:
        say('one lock', not_full.locked(), not_empty.locked())
    t = asyncio.create_task(consume('C', 1))
    await asyncio.sleep(0)
    t.cancel()
    await asyncio.wait([t])
    say('C cancelled', t.cancelled(), 'locked', lock.locked())


asyncio.run(main())
