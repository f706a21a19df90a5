#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the tests of bad_kit, which all must fail, and reads what the kit says of each.

usage: test_bad_kit.py BAD-KIT
"""

import ctypes
import errno
import os
import re
import struct
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), '..'))
import kit  # noqa: E402

PROGRAM = None
FIRST = r'bad_kit\.c:\d+'


def forbid_uring():
    """From now on io_uring_setup(2) fails with EPERM in this process and its children."""
    io_uring_setup = 425
    load_number, equal, answer = 0x20, 0x15, 0x06  # BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_RET|K
    refuse, allow = 0x00050000 | errno.EPERM, 0x7fff0000
    steps = [(load_number, 0, 0, 0), (equal, 0, 1, io_uring_setup), (answer, 0, 0, refuse),
             (answer, 0, 0, allow)]
    code = ctypes.create_string_buffer(b''.join(struct.pack('HBBI', *s) for s in steps))
    program = ctypes.create_string_buffer(struct.pack('HP', len(steps), ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    set_no_new_privs, set_seccomp, mode_filter = 38, 22, 2
    if libc.prctl(set_no_new_privs, 1, 0, 0, 0) or libc.prctl(set_seccomp, mode_filter, program):
        raise OSError(ctypes.get_errno(), 'prctl')


def run(*arguments, before=None, **environment):
    """Exit status and output of the program."""
    env = {k: v for k, v in os.environ.items() if not k.startswith('KETTLE_')}
    result = subprocess.run([PROGRAM, *arguments], env={**env, **environment}, text=True,
                            preexec_fn=before, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=100,
                            errors='replace')
    return result.returncode, result.stdout


# What the output of each test must match, in this order, besides its FAIL line.
SAYS = {
    'leaves_a_task': [r'left 1 task alive:\n *forgotten cook\n'],
    'leaves_a_descriptor': [r'left 1 descriptor open:\n *\d+: /dev/zero\n'],
    'leaves_another_descriptor_under_an_old_number':
        [r'left 1 descriptor open:\n *0: /dev/zero\n'],
    'leaves_a_descriptor_on_a_test_disk': [r'kt_test_disk_close with 1 descriptor open: "tea"\n'],
    'leaves_blocks': [r'left memory of kt_alloc', r'10 blocks, 4720 bytes',
                      r'4711 bytes, allocation',
                      r'\n *forget_memory\b.*\n *kt__test_leaves_blocks\b', r'and 5 more'],
    'leaves_a_block_without_a_loop': [r'1 block, 4711 bytes', r'4711 bytes, allocation 1\n',
                                      r'forget_memory', r'kt__test_leaves_a_block_without_a_loop'],
    'makes_no_check': [r'made no check', r'trace so far:\n *a trace is no check'],
    'wrong_condition': [FIRST, r'check failed: cups == 4'],
    'wrong_value': [r'check failed: cups \+ 1 == KT_NS\(5\)\n *left:  4\n *right: 5\n',
                    r'in task '],
    'wrong_error_code_as_value': [r'left:  -10004 \(KT_EFULL\)', r'right: 0\n'],
    'wrong_memory': [r'200 and 200 bytes, which differ from byte 100 on',
                     r'left:  \.\.\."a{72}"\.\.\.',
                     r'right: \.\.\."a{16}\\x01\\n\\"\\xffa+"\.\.\.'],
    'wrong_string': [r'3 and 6 bytes', r'left:  "tea"', r'right: "teapot"'],
    'wrong_null_string': [r'left:  NULL', r'right: "tea"'],
    'wrong_slice': [r'differ from byte 3', r'left:  "tea\\r\\n"', r'right: "tea"'],
    'wrong_success': [r'check failed: rc\n', r'gave: *-10016 \(KT_ENOTFOUND: not found\)',
                      r'expected: success', r'detail: *no queue called kitchen'],
    'wrong_error': [r'gave: *-2 \(ENOENT: No such file or directory\)',
                    r'expected: *-10011 \(KT_ELIMIT: limit exceeded\)'],
    'wrong_trace': [r'--- expected\n *\+\+\+ found\n *@@ -7,7 \+7,7 @@\n'
                    r' *tea 7\n *tea 8\n *tea 9\n *-tea 10\n *\+coffee 10\n *tea 11\n *tea 12\n'
                    r' *tea 13\n *@@ -18,4 \+18,3 @@\n *tea 18\n *tea 19\n *tea 20\n *-tea 21\n'],
    'fails_with_a_trace_and_output': [r'printed before', r'no cup for tea\n',
                                      r'trace so far:\n *water boils\n'],
    'wrong_in_another_task': [r'cups == 5\n *left:  3\n', r'in task careless cook'],
    'wrong_on_a_pool_thread': [r'cups == 5\n *left:  3\n'],
    'wrong_in_a_callback': [r'cups == 5\n *left:  3\n'],
    'wrong_in_a_child_process': [r'cups == 5\n *left:  3\n'],
    'waits_for_nothing': [r'was ended by SIGABRT .* before its end', r'deadlock',
                          r'waits for an event',
                          r'#\d +kt__test_waits_for_nothing\+0x\w+ at test/bad_kit\.c:\d+\n'],
    'crashes': [r'was ended by SIGSEGV .* before its end', r'about to crash'],
    'exits_in_the_middle': [r'exited with status 0 before its end'],
    'fails_in_its_exit_handlers': [r'exited with status 5 after its end'],
    'fails_with_the_first_seed': [r'seed 1\b', r'KT_EPROTOCOL.*: tea in the coffee pot'],
    'leaks_with_the_third_seed': [r'seed 3\b', r'4711 bytes', r'forget_memory'],
    'fails_with_the_seventh_seed': [r'seed 7\b', r'\+\+\*runs < 13\n *left:  13\n'],
    'says_something_else_with_the_fifth_seed': [r'seed 5\b', r'said something else', r'run 10'],
    'takes_longer_with_the_third_seed': [r'seed 3\b', r'took 1000000000 ns, and 2000000000'],
    'runs_seeds_inside_a_loop': [r'use KT_TEST_NO_LOOP'],
    'should_die_and_does_not': [r'still alive',
                                r'came to its end, and should have died with "the reason"'],
    'should_die_and_exits': [r'should have aborted with "the reason", but exited with status 0'],
    'dies_for_another_reason': [r'aborted without saying "the reason"', r'something else'],
    'dies_by_a_failed_check': [r'check failed: false'],
    'prints_very_much': [r'was ended by SIGABRT', r'line 0\n *line 1\n', r'and \d+ bytes more'],
    'frees_what_is_not_a_block': [r'not a block of kt_alloc',
                                  r'kt__test_frees_what_is_not_a_block'],
    'writes_before_a_block': [r'written to before its start'],
}

# In builds with a leak sanitizer only.
IF_SANITIZED = {
    'leaves_memory_of_malloc': [r'LeakSanitizer', r'left memory that nothing points to'],
}

# Those that need their time to run out, with a short limit.
HANGS = {
    'hangs': [r'still running after 1 s', r'where it was', r'kt__test_hangs at '],
    'hangs_in_a_task': [r'still running after 1 s', r'the tasks of its loop'],
    'hangs_deaf': [r'still running after 1 s'],
}


class BadKit(unittest.TestCase):
    def expect(self, output, name, patterns):
        self.assertRegex(output, rf'(?m)^FAIL {name}$')
        start = 0
        for pattern in patterns:
            match = re.compile(pattern).search(output, start)
            self.assertTrue(match, f'{name}: {pattern!r} not in\n{output}')
            start = match.end()

    def test_every_bad_test_is_known_here(self):
        status, output = run('--list')
        self.assertEqual(status, 0)
        self.assertEqual(sorted({*output.split(), *IF_SANITIZED}),
                         sorted([*SAYS, *IF_SANITIZED, *HANGS]))

    def test_each_fails_and_says_why(self):
        known = run('--list')[1].split()
        for name, patterns in {**SAYS, **IF_SANITIZED}.items():
            if name in IF_SANITIZED and name not in known:
                continue
            with self.subTest(name):
                status, output = run(name)
                self.assertEqual(status, 1, output)
                self.expect(output, name, patterns)
                self.assertEqual(output.splitlines()[-1], '0 passed, 1 failed, 0 skipped')

    def test_hanging_tests_are_stopped(self):
        for name, patterns in HANGS.items():
            with self.subTest(name):
                status, output = run(name, KETTLE_TEST_TIMEOUT='1')
                self.assertEqual(status, 1, output)
                self.expect(output, name, patterns)

    def test_one_failure_does_not_stop_the_others(self):
        status, output = run('wrong_*')
        count = sum(name.startswith('wrong_') for name in SAYS)
        self.assertEqual(status, 1)
        self.assertEqual(output.splitlines()[-1], f'0 passed, {count} failed, 0 skipped')

    def test_an_unknown_name_is_a_failure(self):
        status, output = run('no_such_behaviour')
        self.assertEqual(status, 1)
        self.assertIn('no_such_behaviour: no such test', output)
        self.assertEqual(output.splitlines()[-1], '0 passed, 1 failed, 0 skipped')

    def test_an_unknown_option_is_a_failure(self):
        status, output = run('--faster')
        self.assertEqual(status, 1)
        self.assertIn('usage: ', output)

    def test_without_processes_a_failure_aborts(self):
        status, output = run('--no-fork', 'wrong_value')
        self.assertEqual(status, -6)
        self.assertIn('left:  4', output)

    def test_without_processes_deaths_are_skipped(self):
        status, output = run('--no-fork', 'should_die_*')
        self.assertEqual(status, 77)
        self.assertEqual(output.splitlines()[-1], '0 passed, 0 failed, 2 skipped')

    def test_sim_skips_what_needs_the_real_world(self):
        status, output = run('hangs_in_a_task', KETTLE_DRIVER='sim')
        self.assertEqual(status, 77)
        self.assertRegex(output, r'(?m)^skip hangs_in_a_task: needs real time')
        self.assertEqual(output.splitlines()[-1], '0 passed, 0 failed, 1 skipped')

    def test_a_forced_uring_is_skipped_where_it_is_forbidden(self):
        status, output = run('wrong_value', before=forbid_uring, KETTLE_DRIVER='uring')
        self.assertEqual(status, 77, output)
        self.assertRegex(output, r'(?m)^skip wrong_value: this machine forbids io_uring \(EPERM\)')
        status, output = run('wrong_value', before=forbid_uring)
        self.assertEqual(status, 1, output)


if __name__ == '__main__':
    PROGRAM = os.path.realpath(sys.argv.pop(1))
    kit.main()
