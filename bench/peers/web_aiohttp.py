# SPDX-License-Identifier: MIT
"""Hello, world by aiohttp on uvloop.

usage: web_aiohttp.py PORT
"""

import sys

import uvloop
from aiohttp import web


async def hello(_request):
    return web.Response(body=b'Hello, world!\n', content_type='text/plain')


uvloop.install()
app = web.Application()
app.router.add_get('/', hello)
web.run_app(app, host='127.0.0.1', port=int(sys.argv[1]), access_log=None, print=None)
