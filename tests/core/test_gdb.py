#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""gdb walks the stack of a running task, of a parked one, and out of the switch between two.

usage: test_gdb.py GDB-SUBJECT
"""

import os
import re
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), '..'))
import kit  # noqa: E402

PROGRAM = None

# The registers of a context, as the switch would load them.
ENTER_PARKED = [f'set ${register} = (long)$parked->context.{field}' for register, field in (
    ('rsp', 'sp'), ('rbx', 'bx'), ('rbp', 'bp'), ('r12', 'r12'), ('r13', 'r13'), ('r14', 'r14'),
    ('r15', 'r15'), ('rip', 'ip'))]


def gdb(*commands):
    """The output of gdb after these commands, with the program at gdb_stops_here."""
    # Names as they are: gdb takes kt__name for Ada's kt.name where assembly has no debug names.
    begin = ['set confirm off', 'set debuginfod enabled off', 'set print demangle off',
             'break gdb_stops_here', 'run', 'up', 'set $parked = parked', 'down']
    arguments = ['gdb', '--batch', '--nx']
    for command in begin + list(commands):
        arguments += ['-ex', command]
    done = subprocess.run(arguments + [PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          stdin=subprocess.DEVNULL, timeout=100, check=False)
    return done.stdout.decode(errors='replace')


def frames(output):
    """The functions of the last backtrace in the output, innermost first."""
    trace = output[output.rindex('\n#0'):]
    return re.findall(r'^#\d+ +(?:0x[0-9a-f]+ in )?(\w+)', trace, re.MULTILINE)


@unittest.skipUnless(shutil.which('gdb'), 'gdb is not installed')
class Gdb(unittest.TestCase):
    def assert_whole(self, output, *functions):
        found = frames(output)
        self.assertEqual(found[-1], 'kt__switch_entry', output)
        self.assertNotIn('corrupt stack', output)
        self.assertNotIn('Backtrace stopped', output)
        order = [name for name in found if name in functions]
        self.assertEqual(order, list(functions), output)

    def test_a_running_task_is_walked_to_its_end(self):
        self.assert_whole(gdb('bt'), 'gdb_stops_here', 'main_task', 'coroutine')

    def test_a_parked_task_is_walked_from_its_saved_registers(self):
        self.assert_whole(gdb(*ENTER_PARKED, 'bt'), 'waits_in_the_middle', 'parked_task',
                          'coroutine')

    def test_every_instruction_of_the_switch_is_walked(self):
        steps = ['break *kt__switch_raw', 'continue']
        for _ in range(24):
            steps += ['echo \\n@step\\n', 'bt', 'stepi']
        output = gdb(*steps)
        traces = output.split('@step')[1:]
        self.assertEqual(len(traces), 24, output)
        inside = 0
        for trace in traces:
            found = frames(trace)
            inside += found[0] == 'kt__switch_raw'
            self.assertIn(found[-1], ('kt__switch_entry', 'main'), trace)
            self.assertNotIn('corrupt stack', trace)
        self.assertGreater(inside, 18, output)


if __name__ == '__main__':
    PROGRAM = sys.argv.pop(1)
    kit.main()
