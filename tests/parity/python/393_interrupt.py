# SPDX-License-Identifier: MIT
"""Ctrl-C cancels the main task: it may clean up, then the run is interrupted; swallowed, it was none."""

import asyncio
import os
import signal

from say import U, say


def interrupt_later():
    asyncio.get_running_loop().call_later(U, os.kill, os.getpid(), signal.SIGINT)


async def cleans_up():
    interrupt_later()
    try:
        await asyncio.sleep(50 * U)
    finally:
        say('main cancelled, count', asyncio.current_task().cancelling())
        await asyncio.sleep(U)
        say('main cleaned up')


async def swallows():
    interrupt_later()
    try:
        await asyncio.sleep(50 * U)
    except asyncio.CancelledError:
        say('main swallows')
    await asyncio.sleep(U)
    return 5


async def fails_instead():
    interrupt_later()
    try:
        await asyncio.sleep(50 * U)
    except asyncio.CancelledError:
        raise ValueError('boom') from None


for main in (cleans_up, swallows, fails_instead):
    try:
        say('run gave', asyncio.run(main()))
    except KeyboardInterrupt:
        say('run interrupted')
    except ValueError as e:
        say('run raised', e)
