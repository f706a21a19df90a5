# SPDX-License-Identifier: MIT
"""Queues under pressure: who waits is served in the order of asking, the item is what the queue's order says."""

import asyncio

from say import say


async def putter(q, item):
    await q.put(item)
    say('put', item)


async def getter(q, name):
    item = await q.get()
    say(name, 'got', item)
    q.task_done()


async def full(name, q):
    say('---', name)
    for item in (5, 1):
        q.put_nowait(item)
    ts = [asyncio.create_task(putter(q, item)) for item in (3, 9, 0)]
    await asyncio.sleep(0)
    say('size', q.qsize(), 'full', q.full())
    for _ in range(5):
        say('main got', await q.get())
        q.task_done()
    await asyncio.gather(*ts)
    say('empty', q.empty())


async def empty(name, q):
    say('---', name)
    ts = [asyncio.create_task(getter(q, n)) for n in 'ABC']
    await asyncio.sleep(0)
    for item in (7, 2, 4):
        q.put_nowait(item)
    say('size', q.qsize())
    await q.join()
    say('joined')
    await asyncio.gather(*ts)


async def joined_by_two():
    q = asyncio.Queue()
    async def joiner(name):
        await q.join()
        say(name, 'joined')
    await q.join()
    say('nothing to join')
    q.put_nowait(1)
    q.put_nowait(2)
    ts = [asyncio.create_task(joiner(n)) for n in ('J', 'K')]
    await asyncio.sleep(0)
    q.get_nowait()
    q.task_done()
    await asyncio.sleep(0)
    say('done', [t.done() for t in ts])
    q.get_nowait()
    q.task_done()
    q.put_nowait(3)
    await asyncio.sleep(0)
    say('done', [t.done() for t in ts])
    await asyncio.gather(*ts)
    say('unfinished goes on', q.qsize())


async def got_too_late():
    q = asyncio.Queue(1)
    t = asyncio.create_task(getter(q, 'late'))
    await asyncio.sleep(0)
    q.put_nowait('x')
    say('main takes', q.get_nowait())
    await asyncio.sleep(0)
    say('late done', t.done())
    p = asyncio.create_task(putter(q, 'y'))
    await asyncio.gather(p, t)


async def main():
    await full('first in', asyncio.Queue(2))
    await full('last in', asyncio.LifoQueue(2))
    await full('smallest', asyncio.PriorityQueue(2))
    await empty('first in', asyncio.Queue())
    await empty('last in', asyncio.LifoQueue())
    await empty('smallest', asyncio.PriorityQueue())
    await joined_by_two()
    await got_too_late()


asyncio.run(main())
