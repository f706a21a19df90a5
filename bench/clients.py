# SPDX-License-Identifier: MIT
"""HTTP clients, ours and others, which all ask the same servers."""

import json
import os
import resource
import tempfile

import kit
import parts
import web

REQUESTS, AT_ONCE = 10000, 200


def with_python(script, modules):
    """What a client in Python is run with, if its modules are there."""
    return None if web.lacks(modules) else [web.PYTHON, os.path.join(web.HERE, 'peers', script)]


def client(settings):
    ours = os.path.join(settings.build, 'http_client')
    ways = {
        'Kettle, epoll': ([ours], {'KETTLE_DRIVER': 'epoll'}),
        'Kettle, uring': ([ours], {'KETTLE_DRIVER': 'uring'}),
        'libcurl, multi': ([os.path.join(settings.build, 'client_curl')], {}),
        'Go net/http': ([os.path.join(settings.build, 'client_go')], {}),
        'aiohttp, uvloop': (with_python('client_aiohttp.py', 'aiohttp, uvloop'), {}),
    }
    absent = {name: 'not built, or its modules are missing' for name, (command, _) in ways.items()
              if not command or not os.path.exists(command[-1])}
    ways = {name: way for name, way in ways.items() if name not in absent}
    requests = REQUESTS // settings.scale

    def turn(name, samples):
        command, env = ways[name]
        with web.running(settings, server) as (_, port):
            result = json.loads(kit.run([*command, f'http://127.0.0.1:{port}/', str(requests), str(AT_ONCE)],
                                        kit.cores()[1], env=env))
        if result['good'] != requests:
            raise kit.Failed(f'{name}: {result["good"]} good answers of {requests}')
        samples.add(name, 'requests/s', requests / result['seconds'])
        samples.add(name, 'CPU us/request', result['cpu'] / requests * 1e6)

    # The peer that is nobody's in this table, where it is there.
    server = web.NGINX_PEER['nginx'] if kit.find('nginx') else web.OURS['Kettle, epoll']
    samples = parts.turns(settings, list(ways), turn)
    samples.absent = absent
    return samples


# ---- kettle-fetch ---------------------------------------------------------------------------

URLS = 1000
TOGETHER = ['--limit', '200', '--per-host', '200']


def children_cpu():
    """Seconds of user and system time of all children that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def fetch(settings):
    program = os.path.join(settings.build, '../programs/kettle-fetch/kettle-fetch')
    if not os.path.exists(program):
        raise kit.Failed('kettle-fetch is not built')
    ways = {f'kettle-fetch, {driver}{what}': ([program, '--input', 'LIST', *more], {'KETTLE_DRIVER': driver})
            for driver in ('epoll', 'uring') for what, more in (('', []), (', 200 at once', TOGETHER))}
    if kit.find('curl'):
        ways['curl, 200 at once'] = (
            ['curl', '--no-progress-meter', '--parallel', '--parallel-max', '200', '--config', 'CURL'], {})
    count = URLS // settings.scale
    sequential = [program, '--sequential', '--input', 'LIST']

    def fetched(name, command, env, samples):
        with web.running(settings, web.OURS['Kettle, epoll']) as (_, port), \
                tempfile.TemporaryDirectory(dir=settings.scratch) as folder:
            urls = [f'http://127.0.0.1:{port}/slow?{i}' for i in range(count)]
            lists = {'LIST': os.path.join(folder, 'urls'), 'CURL': os.path.join(folder, 'curl')}
            with open(lists['LIST'], 'w', encoding='ascii') as f:
                f.write('\n'.join(urls) + '\n')
            with open(lists['CURL'], 'w', encoding='ascii') as f:
                f.writelines(f'url = "{url}"\n' for url in urls)
            before = children_cpu()
            output, seconds, peak = kit.usage(
                kit.on_core(kit.cores()[1], [lists.get(word, word) for word in command]), env)
            cpu = children_cpu() - before  # the server has not ended yet
        if output.count(web.HELLO if command[0] == 'curl' else '/slow?') < count:
            raise kit.Failed(f'{name} did not fetch all')
        samples.add(name, 'seconds', seconds)
        samples.add(name, 'CPU ms', cpu * 1e3)
        samples.add(name, 'peak KiB', peak)

    samples = parts.turns(settings, list(ways), lambda name, samples: fetched(name, *ways[name], samples))
    settings.say('kettle-fetch --sequential')
    fetched('kettle-fetch --sequential', sequential, {'KETTLE_DRIVER': 'epoll'}, samples)
    return samples
