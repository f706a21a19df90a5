#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every call that tests/faults lets fail is made by some scenario, on some driver: what nothing makes, nothing tries.

usage: made.py DRIVER,... BINARY...
"""

import os
import subprocess
import sys
import tempfile

# In some builds only, or on some machines; each with its reason.
ELSEWHERE = {
    '__open64_2': 'what a fortified build makes of open',
    'readlink': 'under Valgrind',
    'syscall setgroups': 'as root', 'syscall setresgid': 'as root', 'syscall setresuid': 'as root',
    'madvise': 'where stacks are guarded by maps',
}


def counts(binary, driver):
    """Call -> how often the scenarios of a binary make it, none of them failing."""
    with tempfile.NamedTemporaryFile('r') as f:
        env = dict(os.environ, KETTLE_DRIVER=driver, KETTLE_FAULTS_CALL='none', KETTLE_FAULTS_COUNTS=f.name)
        p = subprocess.run([binary], env=env, capture_output=True, text=True, check=False)
        if p.returncode not in (0, 77):
            sys.exit(f'{binary} on {driver} fails undisturbed:\n{p.stdout}{p.stderr}')
        lines = f.read().splitlines()
    found = {}
    for line in lines:
        _, verb, rest = line.split(' ', 2)
        if verb == 'made':
            name, number = rest.rsplit(' ', 1)
            found[name] = found.get(name, 0) + int(number)
    return found


def main():
    total = {}
    for driver in sys.argv[1].split(','):
        for binary in sys.argv[2:]:
            for name, number in counts(binary, driver).items():
                total[name] = total.get(name, 0) + number
    idle = sorted(name for name, number in total.items() if number == 0 and name not in ELSEWHERE)
    for name in idle:
        print(f'{name}: no scenario of tests/faults makes this call; write one that does, or take it out of '
              'tests/faults/calls_*.c')
    print(f'{len(total) - len(idle)} passed, {len(idle)} failed, 0 skipped')
    return 1 if idle or not total else 0


if __name__ == '__main__':
    sys.exit(main())
