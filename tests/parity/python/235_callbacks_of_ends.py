# SPDX-License-Identifier: MIT
"""Callbacks at an end: of tasks and futures, in order, taken back, added late, by a callback, of cancelled ones."""

import asyncio

from say import U, say


def tell(name):
    return lambda f: say(name, 'cancelled' if f.cancelled() else 'error' if f.exception() else f.result())


async def gives(n):
    await asyncio.sleep(0)
    return n


async def fails():
    raise ValueError


async def main():
    loop = asyncio.get_running_loop()
    t = asyncio.create_task(gives(5))
    first, second, third = tell('first'), tell('second'), tell('third')
    for f in (first, second, third, second):
        t.add_done_callback(f)
    say('removed', t.remove_done_callback(second), t.remove_done_callback(second))
    say('got', await t)
    say('after')
    t.add_done_callback(tell('late'))
    loop.call_soon(say, 'soon')
    await asyncio.sleep(0)
    say('---')
    f = loop.create_future()
    f.add_done_callback(lambda f: (say('adds'), f.add_done_callback(tell('added'))))
    f.add_done_callback(tell('after it'))
    f.set_result(1)
    say('set')
    await asyncio.sleep(0)
    say('a pass')
    await asyncio.sleep(0)
    say('---')
    f = loop.create_future()
    f.add_done_callback(tell('future'))
    say('cancel', f.cancel(), f.cancel())
    await asyncio.sleep(0)
    f = loop.create_future()
    f.add_done_callback(tell('future'))
    f.set_exception(ValueError())
    await asyncio.sleep(0)
    say('---')
    t = asyncio.create_task(gives(6))
    t.add_done_callback(tell('never begun'))
    t.cancel()
    await asyncio.sleep(0)
    say('done', t.done())
    await asyncio.sleep(0)
    t = asyncio.create_task(fails())
    t.add_done_callback(tell('failed'))
    await asyncio.sleep(U)
    say('---')
    f = loop.create_future()
    t = asyncio.create_task(gives(7))
    t.add_done_callback(lambda t: f.set_result(t.result() + 1))
    say('chained', await f)


asyncio.run(main())
