# SPDX-License-Identifier: MIT
"""Another thread starts tasks on the loop, waits for them, gives up waiting, cancels them, and calls back."""

import asyncio
import concurrent.futures
import threading

from say import U, say


async def gives(n):
    await asyncio.sleep(U)
    say('task gives', n)
    return n


async def fails():
    await asyncio.sleep(0)
    raise ValueError('boom')


async def long():
    await asyncio.sleep(50 * U)


def other_thread(loop):
    f = asyncio.run_coroutine_threadsafe(gives(1), loop)
    say('thread: done', f.done())
    say('thread: got', f.result(), 'done', f.done())
    try:
        asyncio.run_coroutine_threadsafe(fails(), loop).result()
    except ValueError as e:
        say('thread: caught', e)
    f = asyncio.run_coroutine_threadsafe(long(), loop)
    try:
        f.result(2 * U)
    except concurrent.futures.TimeoutError:
        say('thread: not yet')
    say('thread: cancel', f.cancel())
    try:
        f.result()
    except concurrent.futures.CancelledError:
        say('thread: cancelled')
    called = threading.Event()
    loop.call_soon_threadsafe(lambda: (say('called on the loop'), called.set()))
    called.wait()
    return 7


async def main():
    loop = asyncio.get_running_loop()
    say('thread gave', await asyncio.to_thread(other_thread, loop))


asyncio.run(main())
