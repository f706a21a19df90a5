#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""kill -9 of the server in the middle of many jobs, a restart each time; then counts what came of them.

usage: test_kill9.py KETTLE_JOBS [--full] [--jobs N] [--kills N] [--seed N]

The ledger is written by the effects: each job's command appends one line to a file. From the store
come only the claims that the ledger is held against. Ends with `N passed, N failed`.

Shown for each kill: a copy of the store as the dead server left it, and how long the ledger was then.
A job that this copy records as succeeded must not write another line, ever; and no line of a
job may be younger than the end that the store recorded for its success.
"""

import argparse
import json
import os
import random
import shutil
import sqlite3
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import served  # noqa: E402

STATES = ('scheduled', 'ready', 'running', 'succeeded', 'dead', 'cancelled')
GENERATION = 'KETTLE_KILL9_GENERATION'
SUBMITTERS = 4
BATCH_MAX = 20

# What jobs do: key, pid and time (so no two lines are equal) go into the ledger with one write.
LINE = 'echo "$0 $$ $(date +%s%N)" >>ledger; '
KINDS = {
    'plain': LINE,
    'dead': LINE + 'exit 1',
    'second try': LINE + 'mkdir "tried-$0" 2>/dev/null && exit 1; exit 0',
    'slow': LINE + 'sleep 300 & sleep 0.4',  # with a process that is still there at the end
}
WEIGHTS = {'plain': 94, 'dead': 2, 'second try': 2, 'slow': 2}
ATTEMPTS = {'plain': 3, 'dead': 1, 'second try': 3, 'slow': 3}


def body_of(key, kind):
    return {'type': 'command', 'attempts': ATTEMPTS[kind], 'backoff': 0,
            'args': {'argv': ['/bin/sh', '-c', KINDS[kind], str(key)]}}


class Trial:
    def __init__(self, program, jobs, kills, seed):
        self.random = random.Random(seed)
        self.jobs, self.kills = jobs, kills
        self.folder = tempfile.mkdtemp(prefix='kettle-kill9-')
        self.ledger_path = os.path.join(self.folder, 'ledger')
        open(self.ledger_path, 'w', encoding='ascii').close()
        self.generation = 0
        # A crash is not the job's fault here, however often it happens to be hit.
        self.server = served.Server(program, '--quiet', '--crashes-max', '1000', folder=self.folder,
                                    start=False)
        self.lock = threading.Lock()
        self.next_key = 0
        self.kinds = {}         # key -> kind, of all that was ever sent
        self.acknowledged = {}  # id -> key
        self.unknown = set()    # keys whose submit was not answered
        self.errors = []
        self.stop_submitting = False
        self.recorded = []      # for each kill: {key: lines in the ledger then}
        self.job_processes_at_kills = 0
        self.left_over = []     # processes of an old server's jobs that a new one has met

    # ---- the server ------------------------------------------------------------------------------

    def marker(self, generation):
        """In the environment of one server and its jobs, and of no other trial's."""
        return f'{self.folder}#{generation}#'

    def start(self):
        old = self.generation
        self.generation += 1
        self.server.environment[GENERATION] = self.marker(self.generation)
        self.server.start()
        if old:
            self.left_over += served.processes_with(self.marker(old))

    def kill(self):
        pid = self.server.process.pid
        mine = set(served.processes_with(self.marker(self.generation))) - {pid}
        self.server.kill()
        self.job_processes_at_kills += max(0, len(mine) - 1)  # one is the reaper
        self.recorded.append(self.read_record())

    def read_record(self):
        """What the dead server left: the keys of recorded successes, each with its lines so far."""
        copy = os.path.join(self.folder, f'copy-{self.generation}')
        os.mkdir(copy)
        for name in ('jobs.db', 'jobs.db-wal'):
            if os.path.exists(os.path.join(self.folder, name)):
                shutil.copy(os.path.join(self.folder, name), copy)
        with sqlite3.connect(os.path.join(copy, 'jobs.db')) as db:
            succeeded = {self.key_of(args) for args, in
                         db.execute('SELECT args FROM job WHERE state = 3')}
        shutil.rmtree(copy)
        lines = self.read_ledger()
        return {key: len(lines.get(key, ())) for key in succeeded}

    @staticmethod
    def key_of(args):
        return int(json.loads(args)['argv'][-1])

    def read_ledger(self):
        """key -> times of its lines."""
        lines = {}
        with open(self.ledger_path, encoding='ascii') as f:
            for line in f:
                key, _, at = line.split()
                lines.setdefault(int(key), []).append(int(at))
        return lines

    def lines_count(self):
        with open(self.ledger_path, 'rb') as f:
            return f.read().count(b'\n')

    # ---- submitting ------------------------------------------------------------------------------

    def take_keys(self, source):
        with self.lock:
            n = min(source.randint(1, BATCH_MAX), self.jobs - len(self.acknowledged))
            keys = range(self.next_key, self.next_key + max(n, 1))
            self.next_key = keys.stop
            for key in keys:
                self.kinds[key] = source.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
            return keys

    def submit_some(self, source):
        keys = self.take_keys(source)
        try:
            status, _, reply = self.server.ask('POST', '/v1/jobs',
                                               [body_of(key, self.kinds[key]) for key in keys])
        except OSError:
            status, reply = 0, None
        except Exception as error:  # an answer that was cut
            status, reply = 0, error
        with self.lock:
            if status == 201:
                for id, key in zip(reply['ids'], keys):
                    if id in self.acknowledged:
                        self.errors.append(f'the id {id} was given twice')
                    self.acknowledged[id] = key
            elif status in (0, 503):
                self.unknown.update(keys)
                time.sleep(0.02)
            else:
                self.errors.append(f'submit: {status} {reply}')
                self.stop_submitting = True

    def submitter(self, number):
        source = random.Random(self.random.random() + number)
        while not self.stop_submitting and len(self.acknowledged) < self.jobs:
            # Not far ahead of the workers: so that submits, too, are cut off by each kill.
            if len(self.acknowledged) > self.lines_count() + self.jobs // 8:
                time.sleep(0.01)
            else:
                self.submit_some(source)

    # ---- the trial -------------------------------------------------------------------------------

    def run(self):
        moments = sorted(self.random.sample(range(self.jobs // 20, self.jobs * 19 // 20), self.kills))
        self.start()
        threads = [threading.Thread(target=self.submitter, args=(n,)) for n in range(SUBMITTERS)]
        for thread in threads:
            thread.start()
        try:
            for moment in moments:
                served.until(lambda m=moment: self.lines_count() >= m or self.stop_submitting,
                             f'{moment} lines in the ledger', 600)
                time.sleep(self.random.random() * 0.03)
                self.kill()
                time.sleep(self.random.random() * 0.1)
                self.start()
        except BaseException:
            self.stop_submitting = True
            raise
        for thread in threads:
            thread.join()
        served.until(self.all_ended, 'all jobs have ended', 600)
        status = self.server.stop()
        if status != 0:
            self.errors.append(f'the last server exited with {status}')

    def all_ended(self):
        return not any(self.server.list(f'?limit=1&state={state}')['jobs']
                       for state in ('scheduled', 'ready', 'running'))

    # ---- counting --------------------------------------------------------------------------------

    def final_jobs(self):
        """id -> (state, key, crashes, finished_at), from the store that the last server closed."""
        with sqlite3.connect(os.path.join(self.folder, 'jobs.db')) as db:
            assert db.execute('PRAGMA integrity_check').fetchone() == ('ok',)
            return {id: (STATES[state], self.key_of(args), crashes, finished_at)
                    for id, state, args, crashes, finished_at in
                    db.execute('SELECT id, state, args, crashes, finished_at FROM job')}

    def count(self):
        jobs, lines = self.final_jobs(), self.read_ledger()
        acknowledged = [jobs.get(id) for id in self.acknowledged]
        lost = sum(job is None or job[0] not in served.TERMINAL for job in acknowledged)
        again = {key for record in self.recorded for key, n in record.items()
                 if len(lines.get(key, ())) != n}
        again |= {key for state, key, _, finished_at in jobs.values()
                  if state == 'succeeded' and any(at > finished_at for at in lines.get(key, ()))}
        return jobs, lines, {
            'submitted': self.next_key,
            'acknowledged': len(self.acknowledged),
            'unknown (not answered)': len(self.unknown),
            'of these in the store': sum(key in self.unknown for _, key, _, _ in jobs.values()),
            'succeeded': sum(job[0] == 'succeeded' for job in jobs.values()),
            'dead': sum(job[0] == 'dead' for job in jobs.values()),
            'lost': lost,
            'run again after a recorded success': len(again),
            'recorded successes at the kills': sum(len(record) for record in self.recorded),
            'cut off by a kill and begun again': sum(job[2] > 0 for job in jobs.values()),
            'processes of jobs at the kills': self.job_processes_at_kills,
            'of these met by the next server': len(self.left_over),
            'restarts': self.generation - 1,
        }

    def checks(self, jobs, lines, table):
        """(what, is it so)"""
        by_key = {}
        for id, (state, key, _, _) in jobs.items():
            by_key.setdefault(key, []).append((id, state))
        wanted = {key: 'dead' if kind == 'dead' else 'succeeded' for key, kind in self.kinds.items()}
        return [
            ('nothing unforeseen happened: ' + '; '.join(self.errors[:3]), not self.errors),
            ('every acknowledged job is in exactly one terminal state', table['lost'] == 0),
            ('the ids are those that were acknowledged with these jobs',
             all(jobs.get(id, (0, None))[1] == key for id, key in self.acknowledged.items())),
            ('no job is there twice', all(len(entries) == 1 for entries in by_key.values())),
            ('what was not acknowledged was not answered',
             set(by_key) <= set(self.acknowledged.values()) | self.unknown),
            ('each ended as its program did',
             all(state == wanted[key] for state, key, _, _ in jobs.values())),
            ('each has left its line in the ledger', all(lines.get(key) for key in by_key)),
            ('nothing else has', set(lines) <= set(by_key)),
            ('no job ran again after a recorded success',
             table['run again after a recorded success'] == 0),
            ('the kills hit jobs that ran', table['cut off by a kill and begun again'] > 0
             and table['processes of jobs at the kills'] > 0),
            ('no process of a job outlived its server into the next', not self.left_over),
            ('the servers were killed and started as planned', table['restarts'] == self.kills),
        ]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('program')
    parser.add_argument('--full', action='store_true', help='10,000 jobs and 10 kills')
    parser.add_argument('--jobs', type=int)
    parser.add_argument('--kills', type=int)
    parser.add_argument('--seed', type=int, default=random.SystemRandom().randrange(1 << 32))
    given = parser.parse_args()
    jobs = given.jobs or (10000 if given.full else 400)
    kills = given.kills or (10 if given.full else 3)
    print(f'seed {given.seed}', flush=True)
    began = time.monotonic()
    trial = Trial(os.path.realpath(given.program), jobs, kills, given.seed)
    try:
        trial.run()
        jobs, lines, table = trial.count()
        checks = trial.checks(jobs, lines, table)
    finally:
        trial.stop_submitting = True
        trial.server.kill()
        log = trial.server.log
        shutil.rmtree(trial.folder, ignore_errors=True)
    for name, value in {**table, 'seconds': round(time.monotonic() - began, 1)}.items():
        print(f'{name:36} {value:>8}')
    failed = [what for what, so in checks if not so]
    for what in failed:
        print('FAIL', what)
    if failed:
        print('the log of the servers ends with:', *log.splitlines()[-20:], sep='\n')
    print(f'{len(checks) - len(failed)} passed, {len(failed)} failed')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
