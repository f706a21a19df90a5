# SPDX-License-Identifier: MIT
"""The end of a child process: many wait for it, waits end and leave it alone, signals, input that nobody reads."""

import asyncio
import signal
from asyncio.subprocess import PIPE, STDOUT

from say import U, say


async def waiter(name, p):
    say(name, 'code', await p.wait())


async def many_wait():
    p = await asyncio.create_subprocess_exec('sleep', '60')
    a, b = asyncio.create_task(waiter('A', p)), asyncio.create_task(waiter('B', p))
    await asyncio.sleep(U)
    a.cancel()
    await asyncio.wait([a])
    say('A cancelled', a.cancelled(), 'code', p.returncode)
    try:
        await asyncio.wait_for(p.wait(), U)
    except TimeoutError:
        say('timeout, code', p.returncode)
    p.terminate()
    await b
    say('code', p.returncode)
    say('again', await p.wait())


async def killed():
    p = await asyncio.create_subprocess_exec('cat', stdin=PIPE, stdout=PIPE)
    p.kill()
    say('killed', await p.wait(), 'rest', await p.stdout.read())


async def trapped():
    p = await asyncio.create_subprocess_shell(
        "trap 'echo got; exit 7' USR1; echo ready; while :; do sleep 0.01; done", stdout=PIPE)
    say('line', (await p.stdout.readline()).strip())
    p.send_signal(signal.SIGUSR1)
    say('line', (await p.stdout.readline()).strip())
    say('code', await p.wait())


async def input_unread():
    p = await asyncio.create_subprocess_exec('true', stdin=PIPE, stdout=PIPE)
    out, _ = await p.communicate(b'x' * 1000000)
    say('out', out, 'code', p.returncode)


async def into_one():
    p = await asyncio.create_subprocess_shell('echo a; echo b >&2', stdout=PIPE, stderr=STDOUT)
    out, err = await p.communicate()
    say('out', out, 'err', err)


async def main():
    await many_wait()
    await killed()
    await trapped()
    await input_unread()
    await into_one()


asyncio.run(main())
