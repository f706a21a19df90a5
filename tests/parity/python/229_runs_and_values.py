# SPDX-License-Identifier: MIT
# Needs: Python 3.12
"""Values that follow tasks: through runs, callbacks, threads, generators, groups, and contexts of one's own."""

import asyncio
import contextvars

from say import U, say

var = contextvars.ContextVar('var', default='none')
other = contextvars.ContextVar('other')


async def first():
    var.set('first run')
    asyncio.get_running_loop().call_soon(lambda: say('callback sees', var.get()))
    await asyncio.sleep(0)


async def second():
    say('second run sees', var.get())
    var.set('second run')
    await asyncio.create_task(setter('task'))
    say('after a task', var.get())
    async with asyncio.TaskGroup() as g:
        g.create_task(setter('child'))
        var.set('body')
        g.create_task(setter('child 2'))
    say('after a group', var.get())
    say('gathered', await asyncio.gather(setter('x'), setter('y')), var.get())
    await asyncio.wait_for(setter('limited'), 5 * U)
    say('after a limit', var.get())
    async for _ in numbers():
        say('between items', var.get())
        var.set('consumer')
    say('after a generator', var.get())
    say('thread saw', await asyncio.to_thread(in_thread), 'then', var.get())


async def setter(value):
    seen = var.get()
    var.set(value)
    await asyncio.sleep(0)
    return seen


async def numbers():
    for i in range(2):
        say('generator sees', var.get())
        var.set('generator')
        yield i


def in_thread():
    seen = var.get()
    var.set('thread')
    return seen


async def tokens():
    say('other', other.get('unset'))
    token = other.set('one')
    inner = other.set('two')
    other.reset(inner)
    say('other', other.get())
    other.reset(token)
    say('other', other.get('unset'))


async def contexts():
    ctx = contextvars.copy_context()
    ctx.run(var.set, 'in a context')
    say('here', var.get(), 'there', ctx[var])
    t = asyncio.create_task(setter('by a task'), context=ctx)
    say('task saw', await t, 'there', ctx[var])
    asyncio.get_running_loop().call_soon(lambda: say('callback sees', var.get()), context=ctx)
    await asyncio.sleep(0)


with asyncio.Runner() as runner:
    runner.run(first())
    runner.run(second())
    runner.run(tokens())
    runner.run(contexts())
say('outside', var.get())
