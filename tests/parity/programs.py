#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Random programs of tasks that cancel, wait for, limit and block each other: does Kettle print what asyncio does?

usage: programs.py --play FILE --driver epoll|uring|sim          the recorded ones
       programs.py --play FILE --driver ... --seeds FROM TO      fresh ones, beside CPython 3.13 or later
       programs.py --record SEEDS...                             what CPython prints for these, as a record

programs.txt holds programs and their traces. PYTHON names the interpreter (default: this one). A fresh
program whose traces differ is made as small as possible and shown. The last line counts.
"""

import argparse
import os
import random
import subprocess
import sys
from difflib import unified_diff

HERE = os.path.dirname(os.path.realpath(__file__))
RECORD = os.path.join(HERE, 'programs.txt')
PYTHON = os.environ.get('PYTHON', sys.executable)
THEMES = ['lock', 'permit', 'event', 'queue', 'future', 'group', 'limit', 'condition', 'wait', 'gather',
          'self', 'eager', 'barrier', 'value', 'generator', 'order']


class Inventor:
    """Makes one program: a list of operations a task, the main task's first. See play.py for the words."""

    def __init__(self, seed):
        self.r = random.Random(seed)
        self.tasks = self.r.randint(3, 7)
        self.themes = self.r.sample(THEMES, self.r.randint(2, 4))

    def program(self):
        lists = [f'( {self.main()} )']
        lists += [f'( {self.some(k, 0, None, 2, 6)} )' for k in range(1, self.tasks)]
        return '\n'.join(lists)

    def main(self):
        spawns = [f'tn {k}' for k in range(1, self.tasks) if self.r.random() < .65]
        return ' '.join(spawns + ['s 0', self.some(0, 0, None, 4, 9)])

    def some(self, who, depth, group, low, high):
        return ' '.join(self.operation(who, depth, group) for _ in range(self.r.randint(low, high)))

    def block(self, who, depth, group, low=1, high=4):
        return f'( {self.some(who, depth + 1, group, low, high)} )'

    def any(self):
        return self.r.randint(1, self.tasks - 1)

    def later(self, who):
        return self.r.randint(min(who + 1, self.tasks - 1), self.tasks - 1)

    def time(self):
        return self.r.choice([0, 0, 0, 1, 1, 2, 3, 5, -1])

    def limit(self):
        return self.r.choice([-1, 0, 1, 1, 2, 3])

    def operation(self, who, depth, group):
        choices = list(self.plain(who)) + list(self.themed(who))
        if group is not None:
            choices += [(3, lambda: self.child(who, group, 'jn'))]
            choices += [(1, lambda: self.child(who, group, 'je'))] if 'eager' in self.themes else []
        if depth < 4:
            choices += self.nested(who, depth, group)
        return self.r.choices([c[1] for c in choices], [c[0] for c in choices])[0]()

    def plain(self, who):
        yield 3, lambda: f's {self.time()}'
        yield 1, lambda: 'st'
        yield 1, lambda: 'kc'
        yield 2, lambda: f'tx {self.any()}'
        yield .7, lambda: f'xl {self.time()} {self.any()}'
        yield .5, lambda: f'xs {self.any()}'
        yield 1, lambda: f'tn {self.any()}'
        yield .4, lambda: 'er'
        yield 2, lambda: f'ta {self.later(who)}'
        yield 1, lambda: f'ts {self.later(who)}'
        yield .5, lambda: f'od {self.any()}'

    def themed(self, who):
        of_two = {'lock': 'la lr lr', 'permit': 'pa pa pr pr', 'event': 'ew ew es ec',
                  'queue': 'qg qg qp qp qG qP qd qj'}
        for theme, words in of_two.items():
            if theme in self.themes:
                for word in words.split():
                    yield 1, lambda word=word: f'{word} {self.r.randint(0, 1)}'
        if 'order' in self.themes:
            for word in 'qg qg qp qp qp qG qP qj'.split():
                yield 1, lambda word=word: f'{word} {self.r.randint(2, 3)}'
            yield .15, lambda: f'qx {self.r.randint(2, 3)} {self.r.randint(0, 1)}'
        if 'queue' in self.themes:
            yield .15, lambda: f'qx {self.r.randint(0, 1)} {self.r.randint(0, 1)}'
        if 'future' in self.themes:
            for word in 'fa fa fa fs fs fe fc of'.split():
                yield .5, lambda word=word: f'{word} {self.r.randint(0, 2)}'
        three = lambda: ' '.join(str(self.later(who)) for _ in range(3))
        if 'wait' in self.themes:
            yield 2, lambda: f'wt {self.r.randint(0, 2)} {self.r.choice([-1, -1, 0, 1, 2])} {three()}'
            yield 1, lambda: f'ac {three()}'
        if 'gather' in self.themes:
            yield 1, lambda: f'gt {self.r.randint(0, 1)} {three()}'
            yield 2, lambda: f'ga {self.r.randint(0, 1)} {three()}'
        if 'barrier' in self.themes:
            for word, often in ('bw', 3), ('br', .5), ('ba', .2):
                yield often, lambda word=word: word
        if 'value' in self.themes:
            yield 1, lambda: 'vs'
            yield 1, lambda: 'vg'
            yield 1, lambda: f'vl {self.r.choice([-1, -1, 0, 1, 2])}'
            yield .5, lambda: f'vx {self.r.randint(0, self.tasks - 1)}'
        if 'eager' in self.themes:
            yield 1, lambda: f'te {self.any()}'
        if 'self' in self.themes:
            yield .6, lambda: 'ku'
            yield .5, lambda: 'cs'
            if who:
                yield 1, lambda: f'tx {who}'

    def nested(self, who, depth, group):
        block = lambda low=1, high=4: self.block(who, depth, group, low, high)
        yield 1.5, lambda: f'try {block()} {block(0, 2)}'
        yield .8, lambda: f'fin {block()} {block(1, 2)}'
        yield .8, lambda: f'cf {block()} {block(1, 2)}'
        if 'lock' in self.themes:
            yield 2, lambda: f'lk {self.r.randint(0, 1)} {block()}'
        if 'permit' in self.themes:
            yield 2, lambda: f'sm {self.r.randint(0, 1)} {block()}'
        if 'limit' in self.themes:
            yield 2.5, lambda: f'tmo {self.limit()} {block()}'
            yield 1.5, lambda: f'wf {self.limit()} {self.block(who, depth, None)}'
            yield .4, lambda: f'rs {self.time()}'
        if 'group' in self.themes:
            yield 2.5, lambda: self.group(who, depth)
        if 'condition' in self.themes:
            yield 3, self.condition
        if 'generator' in self.themes:
            producer = lambda: self.block(who, depth, None, 0, 2)
            yield 2.5, lambda: f'gen {self.r.randint(0, 4)} {producer()} {block(0, 2)}'

    def child(self, who, group, word):
        """Nobody waits for a lower number than his own, so never for one who waits for him."""
        k = self.later(who)
        if len(group) == 6 or k <= who:
            return 's 0'
        group.append(k)
        return f'{word} {k}'

    def group(self, who, depth):
        children = []
        body = self.block(who, depth, children, 2, 5)
        return f'grp {" ".join(map(str, children))} {body}'

    def condition(self):
        words = ['cw', 'cw', 'cw', 'cp 0', 'es 0', 'cn 1', 'cn 2', 's 0', f's {self.time()}',
                 f'try ( cw ) ( s {self.time()} )', 'tmo 1 ( cw )']
        return f'cd ( {" ".join(self.r.choice(words) for _ in range(self.r.randint(1, 3)))} )'


# ---- Playing -------------------------------------------------------------------------------------------


def output(command, program, env=None):
    done = subprocess.run(command, input=program, env=env, capture_output=True, text=True, timeout=60, check=False)
    before, end, _ = done.stdout.partition('END\n')
    return before + end if end and done.returncode == 0 else before + done.stderr


def of_python(program):
    return output([PYTHON, os.path.join(HERE, 'play.py')], program)


def of_kettle(options, program):
    return output([options.play], program, dict(os.environ, KETTLE_DRIVER=options.driver))


def difference(expected, found):
    return '\n'.join(unified_diff(expected.splitlines(), found.splitlines(), 'asyncio', 'Kettle', lineterm='', n=4))


# ---- Making a program smaller ----------------------------------------------------------------------------


def parse(words, i=0):
    """[(word and numbers, lists)] of what stands before a closing parenthesis, and where that is."""
    nodes = []
    while i < len(words) and words[i] != ')':
        node, lists = [words[i]], []
        i += 1
        while i < len(words) and words[i].lstrip('-').isdigit():
            node.append(words[i])
            i += 1
        while i < len(words) and words[i] == '(':
            inner, i = parse(words, i + 1)
            lists.append(inner)
            i += 1
        nodes.append((node, lists))
    return nodes, i


def unparse(nodes):
    return ' '.join(' '.join(node) + ''.join(f' ( {unparse(inner)} )' for inner in lists) for node, lists in nodes)


def smaller(nodes):
    for i, (node, lists) in enumerate(nodes):
        yield nodes[:i] + nodes[i + 1:]
        if lists and node[0] != 'cd':
            yield nodes[:i] + lists[0] + nodes[i + 1:]
        for j, inner in enumerate(lists):
            for less in smaller(inner):
                yield nodes[:i] + [(node, lists[:j] + [less] + lists[j + 1:])] + nodes[i + 1:]


def shrink(program, differs):
    scripts, tries = [parse(line.split()[1:])[0] for line in program.splitlines()], 0
    again = True
    while again:
        again = False
        for k in range(len(scripts) - 1, -1, -1):
            for less in smaller(scripts[k]):
                candidate = scripts[:k] + [less] + scripts[k + 1:]
                tries += 1
                if tries > 500:
                    return program
                text = '\n'.join(f'( {unparse(s)} )' for s in candidate)
                if differs(text):
                    scripts, program, again = candidate, text, True
                    break
            if again:
                break
    return program


# ---- main --------------------------------------------------------------------------------------------------


def recorded():
    """(name, program, trace) of the record."""
    with open(RECORD, encoding='utf-8') as f:
        for entry in f.read().split('\n== ')[1:]:
            name, _, rest = entry.partition('\n')
            program, _, trace = rest.partition('\n--\n')
            yield name, program, trace.rstrip('\n') + '\n'


def check_record(options):
    passed = failed = 0
    for name, program, trace in recorded():
        found = of_kettle(options, program)
        if found == trace:
            passed += 1
            continue
        failed += 1
        print(f'FAIL {name}\n{program}\n{difference(trace, found)}')
    return passed, failed


def check_fresh(options):
    passed = failed = 0
    for seed in range(*options.seeds):
        program = Inventor(seed).program()
        if of_python(program) == of_kettle(options, program):
            passed += 1
            continue
        failed += 1
        program = shrink(program, lambda text: of_python(text) != of_kettle(options, text))
        print(f'FAIL seed {seed}\n{program}\n{difference(of_python(program), of_kettle(options, program))}')
    return passed, failed


def record(seeds):
    for seed in seeds:
        program = Inventor(seed).program()
        print(f'\n== seed {seed}\n{program}\n--\n{of_python(program)}', end='')


def main():
    parser = argparse.ArgumentParser(description='Random programs; see the head of this file.')
    parser.add_argument('--play', help='the player, parity_play')
    parser.add_argument('--driver', choices=['epoll', 'uring', 'sim'], default='sim')
    parser.add_argument('--seeds', nargs=2, type=int, metavar=('FROM', 'TO'))
    parser.add_argument('--record', nargs='+', type=int, metavar='SEED')
    options = parser.parse_args()
    version = output([PYTHON, '-c', 'import sys; print(*sys.version_info[:2]); print("END")'], '').split()
    if (options.record or options.seeds) and (len(version) < 2 or tuple(map(int, version[:2])) < (3, 13)):
        parser.error('PYTHON must name CPython 3.13 or later')
    if options.record:
        record(options.record)
        return 0
    passed, failed = check_fresh(options) if options.seeds else check_record(options)
    print(f'{passed} passed, {failed} failed')
    return 1 if failed or not passed else 0


if __name__ == '__main__':
    sys.exit(main())
