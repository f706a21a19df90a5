# SPDX-License-Identifier: MIT
"""Processes under measurement: started on a core, waited for, ended by pid, their CPU time read."""

import contextlib
import os
import re
import resource
import shutil
import socket
import statistics
import subprocess
import tempfile
import time

START_SECONDS_MAX = 20
STOP_SECONDS_MAX = 10
TICKS_PER_SECOND = os.sysconf('SC_CLK_TCK')


class Failed(Exception):
    """A measured program did not do what it was started for; the message says which and why."""


def cores():
    """(for the server, for the load): two different ones where the machine has two."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[1 if len(allowed) > 1 else 0]


def find(program):
    """The path of an installed program, or None. Daemons live where users' PATH does not reach."""
    return shutil.which(program, path=os.environ.get('PATH', '') + ':/usr/sbin:/sbin')


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def tree(pid):
    """The process and what it has started."""
    pids = [pid]
    for one in pids:
        with contextlib.suppress(OSError):
            for task in os.listdir(f'/proc/{one}/task'):
                with open(f'/proc/{one}/task/{task}/children', encoding='ascii') as f:
                    pids += [int(child) for child in f.read().split()]
    return pids


def cpu_seconds(pid):
    """User and system time of a process and its children, from proc(5)."""
    ticks = 0
    for one in tree(pid):
        with contextlib.suppress(OSError):
            with open(f'/proc/{one}/stat', encoding='utf-8', errors='replace') as f:
                fields = f.read().rpartition(')')[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / TICKS_PER_SECOND


class Neighbours:
    """How much of the machine's CPU time went elsewhere since this was made: to other programs, and
    in a virtual machine to other machines. What makes figures noisy."""

    def __init__(self):
        self.begin = self.snapshot()

    @staticmethod
    def snapshot():
        """(all, used by programs, stolen, used by this program and its children) in seconds."""
        with open('/proc/stat', encoding='ascii') as f:
            ticks = [int(field) for field in f.readline().split()[1:9]]
        user, nice, system, *_, stolen = ticks
        ours = 0.0
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
            usage = resource.getrusage(who)
            ours += usage.ru_utime + usage.ru_stime
        return [n / TICKS_PER_SECOND for n in (sum(ticks), user + nice + system, stolen)] + [ours]

    def share(self):
        every, used, stolen, ours = (b - a for a, b in zip(self.begin, self.snapshot()))
        return max(0.0, (used + stolen - ours) / every) if every else 0.0


def on_core(core, command):
    return command if core is None else ['taskset', '-c', str(core), *command]


def descriptors():
    """How many files a process may have open here, at most 65,536; ours and those it starts from now on may."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = 65536 if hard == resource.RLIM_INFINITY else min(hard, 65536)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most


def memory(pid):
    """(resident bytes, bytes of page tables) of a process and its children, from proc(5)."""
    found = {'VmRSS': 0, 'VmPTE': 0}
    for one in tree(pid):
        with contextlib.suppress(OSError), open(f'/proc/{one}/status', encoding='ascii') as f:
            for line in f:
                name, _, value = line.partition(':')
                if name in found:
                    found[name] += int(value.split()[0]) * 1024
    return found['VmRSS'], found['VmPTE']


def accepts(port):
    with socket.socket() as s:
        s.settimeout(1)
        return s.connect_ex(('127.0.0.1', port)) == 0


def stop(process):
    """Ends a process that we started, gently if it lets itself be."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def server(command, port, core, env=None, log=None):
    """Runs a server on a core and yields its process once the port accepts connections."""
    output = open(log, 'ab') if log else subprocess.DEVNULL
    process = subprocess.Popen(on_core(core, command), env={**os.environ, **(env or {})},
                               stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    if log:
        output.close()
    try:
        end = time.monotonic() + START_SECONDS_MAX
        while not accepts(port):
            if process.poll() is not None or time.monotonic() > end:
                raise Failed(f'{command[0]} does not listen (status {process.poll()})')
            time.sleep(0.02)
        yield process
        if process.poll() is not None:
            raise Failed(f'{command[0]} ended by itself (status {process.returncode})')
    finally:
        stop(process)


def run(command, core=None, seconds_max=60, env=None):
    """The output of a program that must succeed in that time."""
    try:
        result = subprocess.run(on_core(core, command), stdin=subprocess.DEVNULL,
                                capture_output=True, text=True, timeout=seconds_max,
                                env={**os.environ, **(env or {})})
    except subprocess.TimeoutExpired:
        raise Failed(f'{command[0]} was not done after {seconds_max} s') from None
    if result.returncode != 0:
        raise Failed(f'{" ".join(command)}: status {result.returncode}: {result.stderr.strip()}')
    return result.stdout


def memory_peak(pid):
    """KiB, as of now; None when it has ended. (What wait4 says counts the program that has forked it, too.)"""
    with contextlib.suppress(OSError), open(f'/proc/{pid}/status', encoding='ascii') as f:
        for line in f:
            if line.startswith('VmHWM:'):
                return int(line.split()[1])
    return None


def usage(command, env=None, seconds_max=300):
    """(what it prints, seconds, KiB of memory at most) of a program that must succeed in that time."""
    start, peak = time.monotonic(), 0
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                          env={**os.environ, **(env or {})}) as process:
        while process.poll() is None:
            peak = memory_peak(process.pid) or peak
            if time.monotonic() - start > seconds_max:
                process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.02)
        seconds, output = time.monotonic() - start, process.stdout.read()
    if process.returncode != 0:
        raise Failed(f'{" ".join(command)}: status {process.returncode}')
    return output, seconds, peak


def system_calls(command, env=None):
    """How many a program and its threads make, as `strace -c -f` counts them; None where that cannot be had. Naps
    are not counted: a runtime takes them by the clock, and strace slows down all that it watches."""
    if not find('strace'):
        return None
    with tempfile.NamedTemporaryFile('r', prefix='strace-') as summary:
        try:
            run(['strace', '-c', '-f', '-o', summary.name, *command], env=env)
        except Failed:
            return None
        rows = re.findall(r'^ *[\d.]+ +[\d.]+ +\d+ +(\d+) (?:.* )?(\w+)$', summary.read(), re.M)
    return sum(int(calls) for calls, name in rows if name not in ('total', 'nanosleep'))


class Samples:
    """Figures by subject and quantity, one for each repetition, in the order of their first."""

    def __init__(self):
        self.values = {}
        self.absent = {}  # {subject: why it could not be had}

    def add(self, subject, quantity, value):
        self.values.setdefault(subject, {}).setdefault(quantity, []).append(value)

    def subjects(self):
        return list(self.values)

    def has(self, subject, quantity):
        return quantity in self.values.get(subject, {})

    def median(self, subject, quantity):
        return statistics.median(self.values[subject][quantity])

    def bounds(self, subject, quantity):
        values = self.values[subject][quantity]
        return min(values), max(values)

    def spread(self, subject, quantity):
        """Half the distance from the smallest to the largest, as a part of the median."""
        low, high = self.bounds(subject, quantity)
        middle = self.median(subject, quantity)
        return (high - low) / 2 / middle if middle else 0.0
