# SPDX-License-Identifier: MIT
"""A run that is stopped finishes its pass; what is left stands still, and goes on in the next run."""

import asyncio

from say import U, say


async def steps(name):
    for i in range(4):
        say(name, i)
        await asyncio.sleep(2 * U)


def stop_and_more(loop):
    say('stop')
    loop.stop()
    loop.call_soon(say, 'a pass later')


loop = asyncio.new_event_loop()
t = loop.create_task(steps('T'))
loop.call_later(3 * U, stop_and_more, loop)
loop.call_later(3 * U, say, 'the same pass')
loop.run_forever()
say('stopped, running', loop.is_running(), 'done', t.done())
loop.call_soon(say, 'called between')
loop.stop()
loop.run_forever()
say('one pass')
loop.run_until_complete(t)
say('done', t.done())


async def fails():
    await asyncio.sleep(0)
    raise ValueError('boom')


try:
    loop.run_until_complete(fails())
except ValueError as e:
    say('run raised', e)


async def stops():
    loop.stop()
    await asyncio.sleep(2 * U)


left = loop.create_task(stops())
try:
    loop.run_until_complete(left)
except RuntimeError:
    say('stopped before the end')
    left._log_destroy_pending = False  # it is left over
loop.close()
loop.close()
say('closed', loop.is_closed())
try:
    loop.run_forever()
except RuntimeError:
    say('refused')
