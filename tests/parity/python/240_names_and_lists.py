# SPDX-License-Identifier: MIT
"""Who runs, who is left, and what they are called: in tasks, callbacks, groups and hooks."""

import asyncio

from say import say


def names(skip='main'):
    return sorted(t.get_name() for t in asyncio.all_tasks() if t.get_name() != skip)


def current():
    t = asyncio.current_task()
    return t.get_name() if t else None


async def idle(gate):
    say(current(), 'runs')
    await gate.wait()


def in_callback():
    say('callback of', current(), 'left', names())


async def renames():
    asyncio.current_task().set_name('renamed')
    await asyncio.sleep(0)
    return current()


async def main():
    asyncio.current_task().set_name('main')
    loop, gate = asyncio.get_running_loop(), asyncio.Event()
    ts = [asyncio.create_task(idle(gate), name=n) for n in ('b', 'a')]
    say('left', names())
    loop.call_soon(in_callback)
    await asyncio.sleep(0)
    ts[0].cancel()
    say('left', names())
    await asyncio.sleep(0)
    say('left', names(), 'done', [t.done() for t in ts])
    say('name of one that has ended', ts[0].get_name())
    ts[1].set_name('c')
    say('left', names())
    t = asyncio.create_task(renames(), name='before')
    say('before', t.get_name(), 'gave', await t, 'after', t.get_name())
    async with asyncio.TaskGroup() as g:
        g.create_task(idle(gate), name='child')
        await asyncio.sleep(0)
        say('left', names())
        gate.set()
    say('left', names())
    made = []
    loop.set_task_factory(lambda loop, coro, **more: made.append(1) or asyncio.Task(coro, loop=loop, **more))
    await asyncio.gather(renames(), renames())
    loop.set_task_factory(None)
    await asyncio.create_task(renames())
    say('hook saw', len(made))


asyncio.run(main())
