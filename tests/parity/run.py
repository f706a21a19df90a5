#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the twins of asyncio programs and compares what they print with what CPython printed.

usage: run.py --bin DIR --driver epoll|uring|sim [--oracle DIR] [NAME...]

A twin that the driver cannot run says why and exits with 77. On a real driver the programs sleep in
units of 20 ms; one whose trace differs is given a second run with units five times as long, since on
a busy machine a late wake-up swaps lines, and only the second counts.

--oracle DIR (or KETTLE_ORACLE in the environment) names a folder with the asyncio programs; those that
this interpreter is new enough for are run and compared too. The last line counts.
"""

import argparse
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from difflib import unified_diff

HERE = os.path.dirname(os.path.realpath(__file__))
EXPECTED = os.path.join(HERE, 'expected')
AT_ONCE = 4
SECONDS_MAX = 60
LONG_UNIT_MS = '100'
SKIPPED = 77


def trace(command, env):
    """(exit status, output, errors) of one run."""
    try:
        done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=SECONDS_MAX, check=False)
    except subprocess.TimeoutExpired as e:
        return -1, (e.stdout or b'').decode(), f'did not end within {SECONDS_MAX} s'
    return done.returncode, done.stdout, done.stderr


def compare(label, command, env, expected):
    """(passed, text): passed is None for one that was skipped."""
    status, out, errors = trace(command, env)
    if status == SKIPPED:
        return None, f'skip {label}: {errors.strip().removeprefix("skipped: ")}'
    if status != 0 or out != expected:
        status, out, errors = trace(command, dict(env, ORACLE_UNIT_MS=LONG_UNIT_MS))
    if status == 0 and out == expected:
        return True, ''
    lines = [f'FAIL {label}: exit status {status}', *errors.splitlines()]
    lines += unified_diff(expected.splitlines(), out.splitlines(), 'expected', label, lineterm='', n=2)
    return False, '\n    '.join(lines)


def new_enough(path):
    with open(path, encoding='utf-8') as f:
        needs = re.search(r'^# Needs: Python (\d+)\.(\d+)', f.read(), re.M)
    return sys.version_info[:2] >= (tuple(map(int, needs.groups())) if needs else (3, 11))


def python_side(folder, name):
    """The asyncio program of that name, if it is there and can run here."""
    for path in (os.path.join(folder, name + '.py'), os.path.join(folder, 'newer', name + '.py')):
        if os.path.exists(path) and new_enough(path):
            return path
    return None


def jobs(options):
    """What to run: (label, command, environment, expected)."""
    names = sorted(f[:-4] for f in os.listdir(EXPECTED) if f.endswith('.out'))
    for name in names:
        if options.names and not any(name.startswith(n) for n in options.names):
            continue
        with open(os.path.join(EXPECTED, name + '.out'), encoding='utf-8') as f:
            expected = f.read()
        yield (name, [os.path.join(options.bin, 'parity_' + name)],
               dict(os.environ, KETTLE_DRIVER=options.driver), expected)
        script = python_side(options.oracle, name) if options.oracle else None
        if script:
            env = dict(os.environ, PYTHONPATH=options.oracle, PYTHONDONTWRITEBYTECODE='1')
            yield f'{name} in CPython', [sys.executable, script], env, expected


def main():
    parser = argparse.ArgumentParser(description='Compares traces; see the head of this file.')
    parser.add_argument('--bin', required=True, help='folder of the programs, parity_NNN_name')
    parser.add_argument('--driver', required=True, choices=['epoll', 'uring', 'sim'])
    parser.add_argument('--oracle', default=os.environ.get('KETTLE_ORACLE'))
    parser.add_argument('names', nargs='*', help='beginnings of names; all without')
    options = parser.parse_args()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        results = list(pool.map(lambda job: compare(*job), jobs(options)))
    for _, text in results:
        if text:
            print(text)
    verdicts = [verdict for verdict, _ in results]
    skipped = verdicts.count(None)
    print(f'{verdicts.count(True)} passed, {verdicts.count(False)} failed' +
          (f', {skipped} skipped' if skipped else ''))
    return 1 if False in verdicts or True not in verdicts else 0


if __name__ == '__main__':
    sys.exit(main())
