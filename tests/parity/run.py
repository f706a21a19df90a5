#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the twins of asyncio programs and compares what they print with what CPython printed.

usage: run.py --bin DIR --driver epoll|uring|sim [--virtual] [NAME...]
       run.py --python [--oracle DIR] [NAME...]

A twin that cannot run so says why and is skipped. With the clock that jumps (sim, or --virtual) a trace
matches at the first run or fails. With the real one the programs sleep in units of 20 ms, and on a busy machine a late
wake-up swaps lines: one whose trace differs is given a second run with units five times as long, and
those that needed it are named before the last line, which counts.

--python runs the asyncio programs instead: those in python/, and those of the folder --oracle
(KETTLE_ORACLE in the environment, or ../shared/parity/oracle beside the source tree), as far as an
interpreter here is new enough. Exits with 77 where there is nothing to run.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from difflib import unified_diff

HERE = os.path.dirname(os.path.realpath(__file__))
EXPECTED = os.path.join(HERE, 'expected')
PROGRAMS = os.path.join(HERE, 'python')
BESIDE = os.path.join(HERE, '..', '..', '..', 'shared', 'parity', 'oracle')
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


def compare(label, command, env, expected, real_time):
    """(passed, text, retried): passed is None for one that was skipped."""
    status, out, errors = trace(command, env)
    if status == SKIPPED:
        return None, f'skip {label}: {errors.strip().removeprefix("skipped: ")}', False
    retried = real_time and (status != 0 or out != expected)
    if retried:
        status, out, errors = trace(command, dict(env, ORACLE_UNIT_MS=LONG_UNIT_MS))
    if status == 0 and out == expected:
        return True, '', retried
    lines = [f'FAIL {label}: exit status {status}', *errors.splitlines()]
    lines += unified_diff(expected.splitlines(), out.splitlines(), 'expected', label, lineterm='', n=2)
    return False, '\n    '.join(lines), retried


def expected_traces(options):
    """(name, trace) of all that were asked for."""
    for name in sorted(f[:-4] for f in os.listdir(EXPECTED) if f.endswith('.out')):
        if not options.names or any(name.startswith(n) for n in options.names):
            with open(os.path.join(EXPECTED, name + '.out'), encoding='utf-8') as f:
                yield name, f.read()


def twins(options):
    env = dict(os.environ, KETTLE_DRIVER=options.driver, KETTLE_PARITY_CLOCK='virtual' if options.virtual else '')
    real_time = options.driver != 'sim' and not options.virtual
    for name, expected in expected_traces(options):
        yield name, [os.path.join(options.bin, 'parity_' + name)], env, expected, real_time


def interpreters():
    """{(major, minor): program} of the CPythons here."""
    found = {sys.version_info[:2]: sys.executable}
    for minor in range(11, 20):
        program = shutil.which(f'python3.{minor}')
        if program and trace([program, '-c', 'import asyncio'], None)[0] == 0:
            found.setdefault((3, minor), program)
    return found


def needed(path):
    """The first version whose asyncio behaves as the program shows."""
    with open(path, encoding='utf-8') as f:
        needs = re.search(r'^# Needs: Python (\d+)\.(\d+)', f.read(), re.M)
    if needs:
        return tuple(map(int, needs.groups()))
    return (3, 14) if os.path.basename(os.path.dirname(path)) == 'newer' else (3, 11)


def python_programs(options):
    found = interpreters()
    folders = [PROGRAMS]
    if options.oracle:
        folders += [options.oracle, os.path.join(options.oracle, 'newer')]
    for name, expected in expected_traces(options):
        for folder in folders:
            path = os.path.join(folder, name + '.py')
            if not os.path.exists(path):
                continue
            able = [v for v in sorted(found) if v >= needed(path)]
            if able:
                say = PROGRAMS if folder == PROGRAMS else options.oracle
                env = dict(os.environ, PYTHONPATH=say, PYTHONDONTWRITEBYTECODE='1')
                label = f'{name} in CPython {able[0][0]}.{able[0][1]}'
                yield label, [found[able[0]], path], env, expected, True


def arguments():
    parser = argparse.ArgumentParser(description='Compares traces; see the head of this file.')
    parser.add_argument('--bin', help='folder of the programs, parity_NNN_name')
    parser.add_argument('--driver', choices=['epoll', 'uring', 'sim'])
    parser.add_argument('--virtual', action='store_true', help='let the clock jump')
    parser.add_argument('--python', action='store_true', help='run the asyncio programs instead')
    parser.add_argument('--oracle', default=os.environ.get('KETTLE_ORACLE') or
                        (BESIDE if os.path.isdir(BESIDE) else None))
    parser.add_argument('names', nargs='*', help='beginnings of names; all without')
    options = parser.parse_args()
    if not options.python and not (options.bin and options.driver):
        parser.error('--bin and --driver, or --python')
    return options


def main():
    options = arguments()
    jobs = list(python_programs(options) if options.python else twins(options))
    if options.python and not jobs:
        print('skipped: no asyncio programs that an interpreter here can run')
        return SKIPPED
    with ThreadPoolExecutor(AT_ONCE) as pool:
        results = list(pool.map(lambda job: compare(*job), jobs))
    for _, text, _ in results:
        if text:
            print(text)
    retried = [job[0] for job, result in zip(jobs, results) if result[2]]
    if retried:
        print(f'{len(retried)} matched or failed only with longer units: {", ".join(retried)}')
    verdicts = [verdict for verdict, _, _ in results]
    skipped = verdicts.count(None)
    print(f'{verdicts.count(True)} passed, {verdicts.count(False)} failed' +
          (f', {skipped} skipped' if skipped else ''))
    return 1 if False in verdicts or True not in verdicts else 0


if __name__ == '__main__':
    sys.exit(main())
