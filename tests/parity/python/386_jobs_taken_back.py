# SPDX-License-Identifier: MIT
"""Jobs on threads: one that has not begun can be taken back, one that runs cannot, and who waits for it can leave."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from say import U, say

begun, ended = [], []


def job(name, units):
    begun.append(name)
    time.sleep(units * U)
    ended.append(name)
    return name


def run(pool, name, units=0):
    return asyncio.get_running_loop().run_in_executor(pool, job, name, units)


async def say_end(name, f):
    try:
        say(name, 'gave', await f)
    except asyncio.CancelledError:
        say(name, 'cancelled')


async def taken_back():
    with ThreadPoolExecutor(1) as pool:
        a, b, c = run(pool, 'A', 2), run(pool, 'B'), run(pool, 'C')
        await asyncio.sleep(U)
        say('cancel', b.cancel())
        await say_end('B', b)
        await say_end('C', c)
        await say_end('A', a)
    say('begun', begun)


async def left_alone():
    with ThreadPoolExecutor(1) as pool:
        d = run(pool, 'D', 4)
        await asyncio.sleep(U)
        try:
            await asyncio.wait_for(d, U)
        except TimeoutError:
            say('timeout, begun', begun, 'ended', ended)
        await say_end('E', run(pool, 'E'))
        say('ended', ended)


async def shut_down():
    pool = ThreadPoolExecutor(1)
    f, g = run(pool, 'F', 3), run(pool, 'G')
    await asyncio.sleep(U)
    pool.shutdown(wait=False, cancel_futures=True)
    await say_end('G', g)
    try:
        run(pool, 'H')
    except RuntimeError:
        say('H refused')
    await say_end('F', f)
    pool.shutdown()
    say('ended', ended)


async def waiter_cancelled():
    gate = threading.Event()
    t = asyncio.create_task(say_end('waiter', asyncio.to_thread(gate.wait)))
    await asyncio.sleep(U)
    t.cancel()
    await asyncio.wait([t])
    gate.set()
    say('main end')


async def main():
    await taken_back()
    await left_alone()
    await shut_down()
    await waiter_cancelled()


asyncio.run(main())
