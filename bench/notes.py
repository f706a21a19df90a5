# SPDX-License-Identifier: MIT
"""Notes into three formats: Kettle beside Python's aiofiles and C that writes one file after the other."""

import json
import os
import tempfile

import kit
import parts

HERE = os.path.dirname(os.path.realpath(__file__))
SIZES = {'few': 20, 'many': 1000}


def measured(command, count, env, folder):
    with tempfile.TemporaryDirectory(dir=folder, prefix='notes-') as scratch:
        out = os.path.join(scratch, 'out')
        values = {'OUT': out, 'N': str(count)}
        variables = [f'{name}={value}' for name, value in env.items()]
        result = json.loads(kit.run(['env', *variables, *[values.get(word, word) for word in command]]))
        found = sum(len(names) for _, _, names in os.walk(out))
        if not result['files'] == found == 3 * count:
            raise kit.Failed(f'{command[0]}: {found} files instead of {3 * count}')
        return result


def notes(settings):
    ours = os.path.join(settings.build, 'notes_export')
    # The system's, for which aiofiles is installed.
    python = ['/usr/bin/python3', os.path.join(HERE, 'peers/notes_aiofiles.py'), 'OUT', 'N']
    ways = {
        'aiofiles': (python, {}),
        'C, in turn': ([os.path.join(settings.build, 'notes_sequential'), 'OUT', 'N'], {}),
        'Kettle, in turn': ([ours, 'OUT', 'N', '1'], {'KETTLE_DRIVER': 'epoll'}),
        'Kettle, epoll': ([ours, 'OUT', 'N', '16'], {'KETTLE_DRIVER': 'epoll'}),
        'Kettle, uring': ([ours, 'OUT', 'N', '16'], {'KETTLE_DRIVER': 'uring'}),
    }
    folder = '/dev/shm' if os.access('/dev/shm', os.W_OK) else settings.scratch

    def measure(name, samples):
        command, env = ways[name]
        few = sorted(measured(command, SIZES['few'], env, folder)['seconds'] for _ in range(5))
        samples.add(name, 'few ms', few[2] * 1e3)
        many = measured(command, SIZES['many'], env, folder)
        samples.add(name, 'files/s', many['files'] / many['seconds'])
        samples.add(name, 'CPU us/file', many['cpu'] / many['files'] * 1e6)

    return parts.turns(settings, list(ways), measure)
