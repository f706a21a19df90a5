# SPDX-License-Identifier: MIT
"""GETs of one URL by aiohttp on uvloop, so many at a time, on connections that are kept.

usage: client_aiohttp.py URL REQUESTS AT_ONCE

Prints one JSON object: answers with 200 and a body, seconds, and CPU seconds.
"""

import asyncio
import json
import sys
import time

import aiohttp
import uvloop


async def get_many(session, url, left):
    good = 0
    for _ in left:
        async with session.get(url) as answer:
            good += answer.status == 200 and len(await answer.read()) > 0
    return good


async def main(url, requests, at_once):
    left = iter(range(requests))  # shared by all
    connector = aiohttp.TCPConnector(limit=at_once)
    cpu, begin = time.process_time(), time.monotonic()
    async with aiohttp.ClientSession(connector=connector) as session:
        good = await asyncio.gather(*[get_many(session, url, left) for _ in range(at_once)])
    print(json.dumps({'good': sum(good), 'seconds': time.monotonic() - begin, 'cpu': time.process_time() - cpu}))


uvloop.install()
asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
