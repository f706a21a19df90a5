# SPDX-License-Identifier: MIT
# Needs: Python 3.13
"""Groups in groups, in limits, and in children: who fails, who is cancelled, and what comes out at each level."""

import asyncio

from say import U, say


async def child(name, units, fails=False):
    try:
        await asyncio.sleep(units * U)
    except asyncio.CancelledError:
        say(name, 'cancelled')
        raise
    say(name, 'fails' if fails else 'ends')
    if fails:
        raise ValueError(name)


def spell(error):
    if isinstance(error, BaseExceptionGroup):
        return '[' + ', '.join(map(spell, error.exceptions)) + ']'
    return str(error) or type(error).__name__


async def inner_fails():
    async def inner():
        async with asyncio.TaskGroup() as g:
            g.create_task(child('B', 3))
            g.create_task(child('C', 1, True))
    try:
        async with asyncio.TaskGroup() as g:
            g.create_task(child('A', 3))
            g.create_task(inner())
    except* ValueError as e:
        say('caught', spell(e))


async def body_group_fails():
    try:
        async with asyncio.TaskGroup() as outer:
            outer.create_task(child('D', 3))
            try:
                async with asyncio.TaskGroup() as inner:
                    inner.create_task(child('E', 1, True))
                    await asyncio.sleep(5 * U)
            except* ValueError as e:
                say('inner', spell(e))
            say('body goes on')
            await asyncio.sleep(U)
        say('outer ends, count', asyncio.current_task().cancelling())
    except* ValueError:
        say('?')


async def outer_fails():
    try:
        async with asyncio.TaskGroup() as outer:
            outer.create_task(child('F', 1, True))
            try:
                async with asyncio.TaskGroup() as inner:
                    inner.create_task(child('G', 5))
                    await asyncio.sleep(5 * U)
            except asyncio.CancelledError:
                say('inner cancelled, count', asyncio.current_task().cancelling())
                raise
    except* ValueError as e:
        say('outer', spell(e), 'count', asyncio.current_task().cancelling())


async def limits():
    try:
        async with asyncio.timeout(2 * U):
            async with asyncio.TaskGroup() as g:
                g.create_task(child('H', 5))
                async with asyncio.timeout(5 * U):
                    await asyncio.sleep(9 * U)
    except TimeoutError:
        say('limit around, count', asyncio.current_task().cancelling())
    try:
        async with asyncio.TaskGroup() as g:
            g.create_task(child('I', 5))
            async with asyncio.timeout(U):
                await asyncio.sleep(9 * U)
    except* TimeoutError as e:
        say('limit within', [type(x).__name__ for x in e.exceptions])


async def several_fail():
    async def stubborn(name):
        try:
            await asyncio.sleep(9 * U)
        finally:
            say(name, 'fails too')
            raise ValueError(name)
    try:
        async with asyncio.TaskGroup() as g:
            g.create_task(stubborn('J'))
            g.create_task(child('K', 1, True))
            await asyncio.sleep(2 * U)
    except* ValueError as e:
        say('caught', spell(e))
    try:
        async with asyncio.TaskGroup() as g:
            g.create_task(stubborn('L'))
            await asyncio.sleep(0)
            raise ValueError('body')
    except* ValueError as e:
        say('caught', spell(e))


async def added_by_a_child():
    async def parent(g):
        await asyncio.sleep(U)
        t = g.create_task(child('N', 1))
        say('added', t.done())
    async with asyncio.TaskGroup() as g:
        g.create_task(parent(g))
        t = g.create_task(child('M', 9))
        await asyncio.sleep(U / 2)
        t.cancel()
    say('M cancelled', t.cancelled())


async def main():
    for part in (inner_fails, body_group_fails, outer_fails, limits, several_fail, added_by_a_child):
        say('---')
        await part()


asyncio.run(main())
