# SPDX-License-Identifier: MIT
"""Signal handlers: several at once, one that is replaced, one that is taken back, one that wakes a task."""

import asyncio
import os
import signal

from say import U, say


async def main():
    loop = asyncio.get_running_loop()
    woken = asyncio.Event()
    loop.add_signal_handler(signal.SIGUSR1, say, 'first')
    loop.add_signal_handler(signal.SIGUSR2, woken.set)
    os.kill(os.getpid(), signal.SIGUSR1)
    say('sent')
    await asyncio.sleep(U)
    loop.add_signal_handler(signal.SIGUSR1, say, 'second')
    os.kill(os.getpid(), signal.SIGUSR1)
    await asyncio.sleep(U)
    t = asyncio.create_task(woken.wait())
    await asyncio.sleep(U)
    say('woken', t.done())
    os.kill(os.getpid(), signal.SIGUSR2)
    await t
    say('woken', t.done())
    say('removed', loop.remove_signal_handler(signal.SIGUSR1), loop.remove_signal_handler(signal.SIGUSR1))
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    os.kill(os.getpid(), signal.SIGUSR1)
    await asyncio.sleep(U)
    try:
        loop.add_signal_handler(signal.SIGKILL, say, 'never')
    except (ValueError, RuntimeError):
        say('refused')
    loop.add_signal_handler(signal.SIGTERM, say, 'asked to end')
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.sleep(U)
    say('main end')


asyncio.run(main())
