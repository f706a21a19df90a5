# SPDX-License-Identifier: MIT
"""A barrier is aborted, reset, left by a cancellation; and who comes while a round is being left waits for the next."""

import asyncio

from say import say


async def work(name, b):
    try:
        say(name, 'passed', await b.wait())
    except asyncio.BrokenBarrierError:
        say(name, 'broken')
    except asyncio.CancelledError:
        say(name, 'cancelled')
        raise


def enter(name, b):
    return asyncio.create_task(work(name, b))


def say_state(b):
    say('broken', b.broken, 'waiting', b.n_waiting)


async def abort_and_reset(b):
    ts = [enter('A', b), enter('B', b)]
    await asyncio.sleep(0)
    say('waiting', b.n_waiting)
    await b.abort()
    say('broken', b.broken)
    await asyncio.wait(ts)
    say('waiting', b.n_waiting)
    await asyncio.wait([enter('C', b)])
    await b.reset()
    say('broken', b.broken)
    ts = [enter('D', b), enter('E', b)]
    await asyncio.sleep(0)
    await b.reset()
    await asyncio.wait(ts)
    say_state(b)


async def one_leaves(b):
    ts = [enter('F', b), enter('G', b)]
    await asyncio.sleep(0)
    ts[0].cancel()
    await asyncio.wait(ts[:1])
    say_state(b)
    await asyncio.wait(ts + [enter('H', b), enter('I', b)])
    say('waiting', b.n_waiting)


async def rounds(name, b):
    for i in range(3):
        say(name, 'round', i, 'waiting', b.n_waiting)
        say(name, 'passed', await b.wait())


async def next_round(b):
    await asyncio.gather(*(rounds(name, b) for name in 'JKL'))
    say_state(b)


async def reset_and_come(b):
    ts = [enter('M', b), enter('N', b)]
    await asyncio.sleep(0)
    await b.reset()
    say('resetting waiting', b.n_waiting)
    await asyncio.wait(ts + [enter(name, b) for name in 'OPQ'])
    say_state(b)


async def too_late(b, reset):
    ts = [enter('R', b), enter('S', b)]
    await asyncio.sleep(0)
    say('opener', await b.wait())
    say_state(b)
    await (b.reset() if reset else b.abort())
    say_state(b)
    ts.append(enter('T', b))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    say_state(b)
    await b.reset()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    say_state(b)
    say('done', all(t.done() for t in ts))


async def cancelled_late(b):
    ts = [enter('U', b), enter('V', b)]
    await asyncio.sleep(0)
    say('opener', await b.wait())
    ts[0].cancel()
    ts.append(enter('W', b))
    enter('X', b).cancel()
    await asyncio.wait(ts[:2])
    say_state(b)
    await asyncio.wait(ts + [enter('Y', b), enter('Z', b)])
    say_state(b)


async def main():
    b = asyncio.Barrier(3)
    await abort_and_reset(b)
    await one_leaves(b)
    say('alone', await asyncio.Barrier(1).wait())
    await next_round(b)
    await reset_and_come(b)
    await too_late(b, True)
    await too_late(b, False)
    await cancelled_late(b)


asyncio.run(main())
