# SPDX-License-Identifier: MIT
"""Child processes: talked to through pipes, fed and read at once, with a folder and values, not started, cut off."""

import asyncio
from asyncio.subprocess import DEVNULL, PIPE

from say import U, say

run = asyncio.create_subprocess_exec


async def talk():
    p = await run('cat', stdin=PIPE, stdout=PIPE)
    for word in (b'one\n', b'two\n'):
        p.stdin.write(word)
        await p.stdin.drain()
        say('cat says', (await p.stdout.readline()).strip())
    p.stdin.close()
    say('rest', await p.stdout.read(), 'code', await p.wait())


async def fed():
    p = await run('tr', 'a-z', 'A-Z', stdin=PIPE, stdout=PIPE)
    out, _ = await p.communicate(b'x' * 300000)
    say('size', len(out), 'all', out == b'X' * 300000, 'code', p.returncode)


async def both_outputs():
    p = await run('sh', '-c', 'echo out; echo err >&2; exit 3', stdout=PIPE, stderr=PIPE)
    out, err = await p.communicate()
    say('out', out.strip(), 'err', err.strip(), 'code', p.returncode)


async def surroundings():
    p = await run('sh', '-c', 'pwd; echo $WORD; cat', cwd='/', env={'WORD': 'spoken'}, stdin=DEVNULL, stdout=PIPE)
    out, _ = await p.communicate()
    say('lines', out.decode().split())


async def no_such():
    for name in ('/nowhere/program', '/etc'):
        try:
            await run(name)
        except FileNotFoundError:
            say('not found')
        except PermissionError:
            say('not allowed')


async def cut_off():
    p = await run('sleep', '60', stdout=PIPE)
    try:
        await asyncio.wait_for(p.communicate(), U)
    except TimeoutError:
        say('timeout, code', p.returncode)
    p.kill()
    say('code', await p.wait())


async def many():
    async def code(n):
        p = await run('sh', '-c', f'exit {n}')
        return await p.wait()
    say('codes', await asyncio.gather(*(code(n) for n in range(5))))


async def main():
    for part in (talk, fed, both_outputs, surroundings, no_such, cut_off, many):
        await part()


asyncio.run(main())
