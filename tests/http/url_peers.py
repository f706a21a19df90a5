#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""URLs by a table, and beside Node's WHATWG URL.

usage: url_peers.py PROGRAM TABLE [--node [MUTANTS]]

A line of the table is `URL <TAB> base <TAB> result`, the result being the whole URL or FAIL, with a '!' before it where
Node is known to differ; bytes that are not printable are written \\xNN. With --node the same cases,
and as many mutants of them, are given to Node and to PROGRAM (url_program.c), and all parts compared. Exit status 77:
there is no Node.
"""

import json
import random
import re
import shutil
import subprocess
import sys

ALPHABET = list('aZ09.:/\\?#@[]%^|<>"\'`{}&=+~-_!$*;, \t\n\x00\x7f') + [
    'é', '日', '１', '。', '%2e', '%2E', '%41', '%00', '%zz', '..', '//', '0x', '0x7f', '017', '255', '256', '::', 'ffff',
    ':80', ':443', ':0', ':65535', ':65536', 'http:', 'https://', 'WS:', 'wss://',
    'user:pw@', 'localhost', '1.2.3.4', '[::1]']


def escape(text):
    out = ''
    for byte in text.encode('utf-8'):
        out += chr(byte) if 0x20 < byte < 0x7f and byte != 0x5c else f'\\x{byte:02x}'
    return out


def unescape(text):
    return re.sub(rb'\\x([0-9a-f]{2})', lambda m: bytes([int(m[1], 16)]), text.encode()).decode('utf-8')


def read_table(path):
    with open(path, encoding='ascii') as f:
        for line in f:
            if line.strip() and not line.startswith('# '):
                url, base, result = line.rstrip('\n').split('\t')
                yield unescape(url), unescape(base), result


def ours(program, cases):
    lines = ''.join(f'{escape(url)}\t{escape(base)}\n' for url, base in cases)
    run = subprocess.run([program], input=lines, capture_output=True, text=True, timeout=100, check=True)
    results = [line.split('\t') for line in run.stdout.split('\n')[:-1]]
    assert len(results) == len(cases), f'{len(results)} results of {len(cases)} cases'
    return results


def check_table(program, table):
    results = ours(program, [(url, base) for url, base, _ in table])
    failed = 0
    for (url, base, expected), got in zip(table, results):
        text = got[1] if got[0] == 'OK' else 'FAIL'
        if text != expected.removeprefix('!'):
            print(f'{escape(url)} base {escape(base)}: {got}, expected {expected}')
            failed += 1
    print(f'{len(table)} cases, {failed} failed')
    return failed


def mutate(dice, table):
    """One to four edits of a case, or of two halves of two."""
    url, base, _ = dice.choice(table)
    if dice.random() < 0.2:
        other = dice.choice(table)[0]
        url = url[:dice.randint(0, len(url))] + other[dice.randint(0, len(other)):]
    for _ in range(dice.randint(1, 4)):
        at = dice.randint(0, len(url))
        kind = dice.random()
        if kind < 0.6:
            url = url[:at] + dice.choice(ALPHABET) + url[at:]
        elif kind < 0.8:
            url = url[:at] + url[at + 1:]
        else:
            end = dice.randint(at, len(url))
            url = url[:end] + url[at:end] + url[end:]
    return url[:2000], base if dice.random() < 0.7 else dice.choice(table)[1]


def excused(got, theirs):
    """libidn2 allows less than UTS #46 does (ASCII marks and hyphens at the ends of labels); and Node leaves ".." in a
    path in which an earlier segment begins with a dot."""
    if got[0] == 'FAIL':
        return theirs is not None and got[2].endswith('no internationalised domain name')
    return theirs is not None and re.search(r'/\.\.?(/|$)', theirs[6]) is not None


def check_node(program, table, mutants):
    node = shutil.which('node')
    if not node:
        print('skipped: node is not installed')
        return 77
    dice = random.Random(3986)
    table = [case for case in table if not case[2].startswith('!')]
    cases = [(url, base) for url, base, _ in table] + [mutate(dice, table) for _ in range(mutants)]
    given = json.dumps([[url, base or None] for url, base in cases])
    script = __file__.replace('url_peers.py', 'url_node.js')
    run = subprocess.run([node, script], input=given, capture_output=True, text=True, timeout=100, check=True)
    failed = stricter = 0
    for (url, base), theirs, got in zip(cases, json.loads(run.stdout), ours(program, cases)):
        expected = ['OK'] + [escape(p) for p in theirs] if theirs else ['FAIL']
        if got[:1] == ['FAIL'] and expected == ['FAIL']:
            continue
        if excused(got, theirs):
            stricter += 1
        elif got != expected:
            failed += 1
            if failed <= 20:
                print(f'{escape(url)} base {escape(base)}:\n  ours {got}\n  node {expected}')
    print(f'{len(cases)} cases, {stricter} excused, {failed} differ')
    return 1 if failed or stricter > len(cases) // 100 else 0


def main():
    program, table = sys.argv[1], list(read_table(sys.argv[2]))
    if len(sys.argv) > 3:
        return check_node(program, table, int(sys.argv[4]) if len(sys.argv) > 4 else 20000)
    return 1 if check_table(program, table) else 0


if __name__ == '__main__':
    sys.exit(main())
