# SPDX-License-Identifier: MIT
"""What is measured. Each part is a function of the settings that returns its Samples; peers take
turns within a repetition, so that a busy moment of the machine hits all alike."""

import collections
import contextlib
import json
import os
import re
import shutil
import sys
import tempfile

import kit

CONNECTIONS = 50
BYTES = 64

# build: folder of the bench's programs; scratch: on the file system that is measured;
# say: shows progress
Settings = collections.namedtuple('Settings', 'build scratch repetitions seconds scale say')


def turns(settings, names, measure):
    """Calls measure(name, samples) for each name in turn, as often as is to be repeated."""
    samples = kit.Samples()
    for repetition in range(settings.repetitions):
        for name in names:
            settings.say(f'{name} ({repetition + 1} of {settings.repetitions})')
            measure(name, samples)
    return samples


def loaded(command, port, env, load, seconds):
    """Runs load() against a server on its own core; (what load returns, server's CPU seconds)."""
    with kit.server(command, port, kit.cores()[0], env) as process:
        before = kit.cpu_seconds(process.pid)
        result = load(seconds)
        return result, kit.cpu_seconds(process.pid) - before


# ---- costs ----------------------------------------------------------------------------------

def costs(settings):
    program = os.path.join(settings.build, 'costs')

    def measure(part, samples):
        core = kit.cores()[1] if part == 'cpu' else None
        for line in kit.run([program, part, str(settings.scale)], core).splitlines():
            name, unit, value = line.split('\t')
            samples.add(name, unit, float(value))

    return turns(settings, ['cpu', 'threads', 'memory'], measure)


# ---- echo -----------------------------------------------------------------------------------

def echo(settings):
    peers = {
        'plain epoll loop': ('epoll_echo', {}),
        'Kettle, epoll': ('echo_server', {'KETTLE_DRIVER': 'epoll'}),
        'Kettle, uring': ('echo_server', {'KETTLE_DRIVER': 'uring'}),
        'libuv': ('uv_echo', {}),
    }
    peers = {name: peer for name, peer in peers.items()
             if os.path.exists(os.path.join(settings.build, peer[0]))}

    def measure(name, samples):
        program, env = peers[name]
        port = kit.free_port()

        def load(seconds):
            return json.loads(kit.run([os.path.join(settings.build, 'echo_load'), str(port),
                                       str(CONNECTIONS), str(BYTES), str(seconds)],
                                      kit.cores()[1]))

        result, cpu = loaded([os.path.join(settings.build, program), str(port)], port, env, load,
                             settings.seconds)
        samples.add(name, 'requests/s', result['rate'])
        samples.add(name, 'CPU us/request', cpu / result['messages'] * 1e6)
        samples.add(name, 'p50 us', result['p50_us'])
        samples.add(name, 'p99 us', result['p99_us'])

    return turns(settings, list(peers), measure)


# ---- jobs -----------------------------------------------------------------------------------

DRAIN_SECONDS_MAX = 30


def jobs_kettle(settings, folder, port):
    command = [os.path.join(settings.build, 'jobs_server'), str(port),
               os.path.join(folder, 'jobs.db'), str(CONNECTIONS)]
    client = [os.path.join(settings.build, 'jobs_client'), str(port)]
    return (command, client + [str(CONNECTIONS), 'submit', str(settings.seconds)],
            lambda count: client + [str(count), 'drain', str(DRAIN_SECONDS_MAX)])


def jobs_beanstalkd(settings, folder, port, fsync):
    command = [kit.find('beanstalkd'), '-l', '127.0.0.1', '-p', str(port), '-b', folder, fsync]
    client = [os.path.join(settings.build, 'beanstalk_client'), str(port), str(CONNECTIONS)]
    return (command, client + ['put', str(settings.seconds)],
            lambda count: client + ['drain', str(DRAIN_SECONDS_MAX)])


def jobs(settings):
    names = ['kettle-jobs']
    if kit.find('beanstalkd'):
        names += ['beanstalkd -f0', 'beanstalkd -f50']

    def measure(name, samples):
        server_core, load_core = kit.cores()
        port = kit.free_port()
        with tempfile.TemporaryDirectory(dir=settings.scratch) as folder:
            if name == 'kettle-jobs':
                command, put, drain = jobs_kettle(settings, folder, port)
            else:
                command, put, drain = jobs_beanstalkd(settings, folder, port, name.split()[1])
            with kit.server(command, port, server_core) as process:
                before = kit.cpu_seconds(process.pid)
                taken = json.loads(kit.run(put, load_core))
                worked = json.loads(kit.run(drain(taken['jobs']), load_core))
                cpu = kit.cpu_seconds(process.pid) - before
        if worked['jobs'] != taken['jobs']:
            raise kit.Failed(f'{name}: {taken["jobs"]} jobs in, {worked["jobs"]} out')
        samples.add(name, 'enqueued/s', taken['rate'])
        samples.add(name, 'drained/s', worked['rate'])
        samples.add(name, 'CPU us/job', cpu / taken['jobs'] * 1e6)

    return turns(settings, names, measure)


# ---- processes ------------------------------------------------------------------------------

def processes(settings):
    peer = os.path.join(os.path.dirname(os.path.realpath(__file__)), 'peers/pool_jobs.py')
    peers = {
        'Kettle, epoll': ([os.path.join(settings.build, 'pool_jobs')], 'epoll'),
        'Kettle, uring': ([os.path.join(settings.build, 'pool_jobs')], 'uring'),
        'ProcessPoolExecutor': ([sys.executable, peer], None),
    }

    def measure(name, samples):
        command, driver = peers[name]
        env = ['env', f'KETTLE_DRIVER={driver}'] if driver else []
        result = json.loads(kit.run([*env, *command, str(settings.seconds)]))
        samples.add(name, 'p50 us', result['p50_us'])
        samples.add(name, 'p99 us', result['p99_us'])
        samples.add(name, 'MiB us', result['mib_us'])
        samples.add(name, 'jobs/s', result['rate'])
        samples.add(name, 'CPU us/job', result['cpu_us'])
        samples.add(name, 'start ms', result['start_ms'])

    return turns(settings, list(peers), measure)


# ---- loops ----------------------------------------------------------------------------------

def loops(settings):
    def measure(driver, samples):
        text = kit.run(['env', f'KETTLE_DRIVER={driver}', os.path.join(settings.build, 'loops'),
                        str(settings.scale)])
        for line in text.splitlines():
            name, unit, value = line.split('\t')
            samples.add(f'{name}, {driver}', unit, float(value))

    return turns(settings, ['epoll', 'uring'], measure)


# ---- disk -----------------------------------------------------------------------------------

def disk(settings):
    ways = {f'{count}, {how}': [count.split()[0], how] for count in ('1 writer', '10 writers')
            for how in ('overwrite', 'append')}

    def measure(name, samples):
        result = json.loads(kit.run([os.path.join(settings.build, 'fdatasync'), settings.scratch,
                                     *ways[name], str(settings.seconds)]))
        samples.add(name, 'fdatasync/s', result['rate'])

    return turns(settings, list(ways), measure)


# ---- files ------------------------------------------------------------------------------------

FILES = 10000
TRACED = 1000
READS_BYTES = 512 << 20


def driver_of(name):
    """What the environment says for that candidate."""
    return {'KETTLE_DRIVER': name.split(', ')[1]} if name.startswith('Kettle') else {}


def add_lines(samples, subject, text):
    """Of a program that prints: way, quantity, value."""
    for line in text.splitlines():
        way, quantity, value = line.split('\t')
        samples.add(f'{subject}, {way}' if subject.startswith('Kettle') else subject, quantity,
                    float(value))


def memory_folder(settings):
    """Making files on a disk measures the disk."""
    folder = '/dev/shm'
    return tempfile.TemporaryDirectory(dir=folder if os.access(folder, os.W_OK) else settings.scratch)


def add_calls(settings, samples, subject, command, way):
    """System calls for each file, in runs of their own: the difference between many files and one, so that
    what starting and ending costs is not counted."""
    count = TRACED // settings.scale
    with memory_folder(settings) as folder:
        for side in ('write', 'read'):
            if samples.has(subject, f'{side} us'):
                one, many = (kit.system_calls([*command, folder, str(n), *way, side], driver_of(subject))
                             for n in (1, 1 + count))
                if one is not None and many is not None:
                    samples.add(subject, f'{side} calls', (many - one) / count)


def files(settings):
    ways = {
        'C, one thread': ['files_plain', '1'],
        'C, 4 threads': ['files_plain', '4'],
        'Go, one goroutine': ['files_go', '1'],
        'Go, 50 goroutines': ['files_go', '50'],
        'io_uring alone': ['files_uring'],
        'Kettle, epoll': ['files', 'many'],
        'Kettle, uring': ['files', 'many'],
    }
    ways = {name: [os.path.join(settings.build, program), *args]
            for name, (program, *args) in ways.items()
            if os.path.exists(os.path.join(settings.build, program))}

    def measure(name, samples):
        with memory_folder(settings) as folder:
            add_lines(samples, name, kit.run([*ways[name], folder, str(FILES // settings.scale)],
                                             env=driver_of(name)))

    samples = turns(settings, list(ways), measure)
    settings.say('system calls')
    for subject in samples.subjects():
        name = next(name for name in ways if subject.startswith(name))
        add_calls(settings, samples, subject, ways[name],
                  [subject[len(name) + 2:]] if subject != name else [])
    return samples


def reads(settings):
    path = os.path.join(settings.scratch, 'pieces')
    with open(path, 'wb') as f:
        for _ in range(READS_BYTES >> 20):
            f.write(os.urandom(1 << 20))
        os.fsync(f.fileno())

    def measure(name, samples):
        add_lines(samples, name, kit.run([os.path.join(settings.build, 'files'), 'reads', path],
                                         env=driver_of(name)))

    result = turns(settings, ['Kettle, epoll', 'Kettle, uring'], measure)
    os.unlink(path)
    return result


# ---- copy, hash, lines ------------------------------------------------------------------------

LARGE_BYTES = 4 << 30
SPARE_BYTES = 1 << 30


@contextlib.contextmanager
def large_file(settings, copies=0):
    """The path of a file of lines, on the disk and as far as it fits in the system's memory, with room beside it."""
    path, size = os.path.join(settings.scratch, 'large'), LARGE_BYTES // settings.scale
    needed = (1 + copies) * size + SPARE_BYTES
    if shutil.disk_usage(settings.scratch).free < needed:
        raise kit.Failed(f'{settings.scratch} has not the {needed >> 20} MiB that this needs')
    block = b'the quick brown fox jumps over the lazy dog, again and again\n' * 16384
    try:
        with open(path, 'wb') as f:
            while f.tell() < size:
                f.write(block)
            f.flush()
            os.fsync(f.fileno())
        yield path
    finally:
        os.unlink(path)


def ours(settings, *args):
    """Kettle as a candidate, on both drivers."""
    command = [os.path.join(settings.build, 'large'), *args]
    return {'Kettle, epoll': command, 'Kettle, uring': command}


def add_usage(samples, name, command, path):
    """Its first word, which its peers must say, too."""
    said, seconds, peak = kit.usage(command, driver_of(name))
    samples.add(name, 'MB/s', os.path.getsize(path) / 1e6 / seconds)
    samples.add(name, 'peak KiB', peak)
    return said.partition(' ')[0].strip()


def copy(settings):
    with large_file(settings, copies=1) as path:
        to = path + '.copy'
        ways = {'cp --reflink=auto': ['cp', '--reflink=auto', path, to],
                'cp --reflink=never': ['cp', '--reflink=never', path, to],
                **ours(settings, 'copy', path, to)}

        def measure(name, samples):
            add_usage(samples, name, ways[name], path)
            size = os.path.getsize(to)
            os.unlink(to)
            if size != os.path.getsize(path):
                raise kit.Failed(f'{name}: {size} bytes copied')

        return turns(settings, list(ways), measure)


def agreed(settings, ways, path):
    """Samples of programs that must all find the same."""
    answers = {}

    def measure(name, samples):
        answers[name] = add_usage(samples, name, ways[name], path)
        if len(set(answers.values())) > 1:
            raise kit.Failed(f'they do not agree: {answers}')

    return turns(settings, list(ways), measure)


def hash_(settings):
    with large_file(settings) as path:
        ways = {'sha256sum': ['sha256sum', path]}
        if kit.find('openssl'):
            ways['openssl dgst'] = ['openssl', 'dgst', '-sha256', '-r', path]
        return agreed(settings, {**ways, **ours(settings, 'hash', path)}, path)


def lines(settings):
    with large_file(settings) as path:
        return agreed(settings, {'wc -l': ['wc', '-l', path], **ours(settings, 'lines', path)}, path)
