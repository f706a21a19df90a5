# SPDX-License-Identifier: MIT
"""Web servers: ours and others, the same for every part, and what is measured with wrk and h2load."""

import collections
import contextlib
import os
import re
import shutil
import subprocess
import tempfile

import kit
import parts

HERE = os.path.dirname(os.path.realpath(__file__))
PYTHON = '/usr/bin/python3'  # the system's, for which the peers are installed
FILES = {'4k.bin': 4096, '1m.bin': 1 << 20}
HELLO = 'Hello, world!\n'

# build: folder of the bench's programs; folder: a scratch one, with FILES, index.html, and the server's own files;
# certificate: (chain, key) for TLS, else None; http2: without TLS, for who must be told
Site = collections.namedtuple('Site', 'build folder port certificate http2')
# command(site): (what to run, environment); missing(build): why it cannot be had here, or None
Peer = collections.namedtuple('Peer', 'command missing')


# ---- The servers ----------------------------------------------------------------------------

def kettle(driver):
    def command(site):
        return ([os.path.join(site.build, 'http_server'), str(site.port), site.folder, *(site.certificate or [])],
                {'KETTLE_DRIVER': driver})

    return Peer(command, lambda build: None)


NGINX = '''
daemon off;
worker_processes 1;
worker_rlimit_nofile {connections};
pid {folder}/nginx.pid;
error_log stderr;
{user}
events {{ worker_connections {connections}; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
    default_type text/plain;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port} {how} backlog=4096;
        {tls}
        location / {{ return 200 "Hello, world!\\n"; }}
        location /files/ {{ alias {folder}/; }}
    }}
}}
'''


def nginx(site):
    """As an operator would set it up for speed, one worker."""
    how, tls = 'http2' if site.http2 else '', ''
    if site.certificate:
        how = 'ssl http2'
        tls = ('ssl_protocols TLSv1.2 TLSv1.3; ssl_session_tickets off; '
               'ssl_certificate {}; ssl_certificate_key {};'.format(*site.certificate))
    path = os.path.join(site.folder, 'nginx.conf')
    with open(path, 'w', encoding='utf-8') as f:
        f.write(NGINX.format(folder=site.folder, port=site.port, how=how, tls=tls, connections=kit.descriptors(),
                             user='user root;' if os.geteuid() == 0 else ''))
    return [kit.find('nginx'), '-p', site.folder, '-c', path, '-e', 'stderr'], {}


H2O = '''
num-threads: 1
{user}
ssl-session-resumption: {{ mode: off }}
pid-file: {folder}/h2o.pid
error-log: /dev/null
listen: {{ host: 127.0.0.1, port: {port} {tls} }}
hosts:
  default:
    paths:
      "/files": {{ file.dir: {folder} }}
      "/": {{ file.dir: {folder} }}
'''


def h2o(site):
    """It has no answer from its configuration: it serves a file of the same bytes, which it keeps open."""
    tls = ''
    if site.certificate:
        tls = ', ssl: {{ certificate-file: {}, key-file: {} }}'.format(*site.certificate)
    path = os.path.join(site.folder, 'h2o.conf')
    with open(path, 'w', encoding='utf-8') as f:
        f.write(H2O.format(folder=site.folder, port=site.port, tls=tls,
                           user='user: root' if os.geteuid() == 0 else ''))
    return [kit.find('h2o'), '-c', path], {}


def nghttpd(site):
    """nghttp2's own server, which serves a file of the same bytes, too."""
    return [kit.find('nghttpd'), '--no-tls', '-n1', '-a', '127.0.0.1', '-d', site.folder, str(site.port)], {}


def python(module, *words):
    return lambda site: ([PYTHON, *(word.format(port=site.port) for word in words)],
                         {'PYTHONPATH': os.path.join(HERE, 'peers')}), lambda build: lacks(module)


def lacks(modules):
    """Why a program for the system's Python cannot run, or None."""
    with contextlib.suppress(OSError):
        if subprocess.run([PYTHON, '-c', f'import {modules}'], capture_output=True).returncode == 0:
            return None
    return f'no {modules} for {PYTHON}'


def built(program):
    """A peer of one program with the port as its argument, which could be compiled or not."""
    return Peer(lambda site: ([os.path.join(site.build, program), str(site.port)], {}),
                lambda build: None if os.path.exists(os.path.join(build, program)) else 'not built')


CRATES = '/usr/share/cargo/registry'  # Debian's
BUILD_SECONDS_MAX = 600


def cargo(package):
    """A peer in Rust, which cargo builds from Debian's crates when it is asked for first, without a network."""
    def program(build):
        return os.path.join(build, package, 'target/release', package)

    def missing(build):
        if os.path.exists(program(build)):
            return None
        if not kit.find('cargo') or not os.path.isdir(CRATES):
            return 'no cargo with crates'
        # Not in the tree: cargo leaves a file there.
        copy = shutil.copytree(os.path.join(HERE, 'peers', package), os.path.join(build, package), dirs_exist_ok=True)
        try:
            kit.run(['cargo', 'build', '--release', '--offline', '--manifest-path', os.path.join(copy, 'Cargo.toml'),
                     '--config', 'source.crates-io.replace-with="debian"',
                     '--config', f'source.debian.directory="{CRATES}"'], seconds_max=BUILD_SECONDS_MAX)
        except kit.Failed as failure:
            return f'cargo could not build it: {str(failure).strip().splitlines()[-1]}'
        return None

    return Peer(lambda site: ([program(site.build), str(site.port)], {}), missing)


def node(script, *needs):
    def command(site):
        return ([kit.find('node'), os.path.join(HERE, 'peers', script), str(site.port)],
                {'NODE_PATH': '/usr/share/nodejs'})

    def missing(build):
        if not kit.find('node'):
            return 'no node'
        absent = [need for need in needs if not os.path.exists(f'/usr/share/nodejs/{need}')]
        return f'no {absent[0]} for node' if absent else None

    return Peer(command, missing)


def daemon(program, command):
    return Peer(command, lambda build: None if kit.find(program) else f'no {program}')


OURS = {'Kettle, epoll': kettle('epoll'), 'Kettle, uring': kettle('uring')}
NGINX_PEER = {'nginx': daemon('nginx', nginx)}
H2O_PEER = {'h2o': daemon('h2o', h2o)}
NGHTTPD_PEER = {'nghttpd': daemon('nghttpd', nghttpd)}
HTTP = {
    **OURS, **NGINX_PEER,
    'Go net/http': built('web_go'),
    'hyper': cargo('web_hyper'),
    'node': node('web.js'),
    'aiohttp, uvloop': Peer(*python('aiohttp, uvloop', os.path.join(HERE, 'peers/web_aiohttp.py'), '{port}')),
    'uvicorn, FastAPI': Peer(*python('uvicorn, uvloop, httptools, fastapi', '-m', 'uvicorn', 'web_fastapi:app',
                                     '--host', '127.0.0.1', '--port', '{port}', '--loop', 'uvloop', '--http',
                                     'httptools', '--no-access-log', '--log-level', 'error')),
}


def there(settings, peers):
    """(those that can be had, {name: why not} of the others)."""
    reasons = {name: peer.missing(settings.build) for name, peer in peers.items()}
    absent = {name: reason for name, reason in reasons.items() if reason}
    for name, reason in absent.items():
        settings.say(f'{name} is left out: {reason}')
    return {name: peer for name, peer in peers.items() if name not in absent}, absent


def certificate(folder):
    """(chain, key) of a certificate for localhost by itself: P-256, as most sites have it."""
    chain, key = os.path.join(folder, 'chain.pem'), os.path.join(folder, 'key.pem')
    kit.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2',
             '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1', '-keyout', key,
             '-out', chain])
    return [chain, key]


@contextlib.contextmanager
def running(settings, peer, tls=False, http2=False):
    """Yields (process, port) of a server on its own core, with its files, until the block ends."""
    with tempfile.TemporaryDirectory(dir=settings.scratch) as folder:
        for name, size in FILES.items():
            with open(os.path.join(folder, name), 'wb') as f:
                f.write(bytes(range(256)) * (size // 256))
        with open(os.path.join(folder, 'index.html'), 'w', encoding='ascii') as f:
            f.write(HELLO)
        os.chmod(folder, 0o755)  # servers give up root
        site = Site(settings.build, folder, kit.free_port(), certificate(folder) if tls else None, http2)
        command, env = peer.command(site)
        with kit.server(command, site.port, kit.cores()[0], env, os.path.join(folder, 'log')) as process:
            yield process, site.port


def served(settings, peers, measure, **how):
    """Samples of measure(process, port, name, add) for each peer in turn, each with a server of its own, which
    running() makes as `how` says."""
    peers, absent = there(settings, peers)

    def turn(name, samples):
        with running(settings, peers[name], **how) as (process, port):
            measure(process, port, name, lambda quantity, value: samples.add(name, quantity, value))

    samples = parts.turns(settings, list(peers), turn)
    samples.absent = absent
    return samples


# ---- The loads ------------------------------------------------------------------------------

MICROSECONDS = {'us': 1, 'ms': 1e3, 's': 1e6, 'm': 60e6}


def parse_wrk(text):
    """(requests, requests/s, p50 us, p99 us) from what wrk --latency prints."""
    if re.search(r'Socket errors|Non-2xx', text):
        raise kit.Failed('wrk saw errors:\n' + text)
    requests = int(re.search(r'(\d+) requests in', text).group(1))
    rate = float(re.search(r'Requests/sec:\s*([\d.]+)', text).group(1))
    latencies = [float(value) * MICROSECONDS[unit] for value, unit in
                 (re.search(rf'{part}%\s+([\d.]+)(us|ms|s|m)\b', text).groups()
                  for part in (50, 99))]
    return requests, rate, *latencies


def wrk(settings, port, path='/', connections=parts.CONNECTIONS, scheme='http', more=()):
    return parse_wrk(kit.run(['wrk', '-t1', f'-c{connections}', f'-d{settings.seconds}s', '--latency', *more,
                              f'{scheme}://127.0.0.1:{port}{path}'], kit.cores()[1]))


def need(program):
    if not kit.find(program):
        raise kit.Failed(f'{program} is not installed')


def http(settings):
    need('wrk')

    def measure(process, port, _name, add):
        before = kit.cpu_seconds(process.pid)
        requests, rate, p50, p99 = wrk(settings, port)
        add('requests/s', rate)
        add('CPU us/request', (kit.cpu_seconds(process.pid) - before) / requests * 1e6)
        add('p50 us', p50)
        add('p99 us', p99)

    return served(settings, HTTP, measure)


def static(settings):
    need('wrk')

    def measure(process, port, _name, add):
        for name, connections in (('4k', parts.CONNECTIONS), ('1m', 10)):
            before = kit.cpu_seconds(process.pid)
            requests, rate, _, _ = wrk(settings, port, f'/files/{name}.bin', connections)
            add(f'{name} requests/s', rate)
            add(f'{name} CPU us', (kit.cpu_seconds(process.pid) - before) / requests * 1e6)

    return served(settings, {**OURS, **NGINX_PEER, **H2O_PEER}, measure)


def pipelined(settings):
    need('wrk')

    def measure(process, port, _name, add):
        before = kit.cpu_seconds(process.pid)
        requests, rate, _, _ = wrk(settings, port, more=('-s', os.path.join(HERE, 'pipelined.lua')))
        add('requests/s', rate)
        add('CPU us/request', (kit.cpu_seconds(process.pid) - before) / requests * 1e6)

    return served(settings, HTTP, measure)


def tls(settings):
    need('wrk')

    def measure(process, port, _name, add):
        before = kit.cpu_seconds(process.pid)
        requests, rate, _, _ = wrk(settings, port, scheme='https', more=('-H', 'Connection: close'))
        middle = kit.cpu_seconds(process.pid)
        add('handshakes/s', rate)
        add('handshake CPU us', (middle - before) / requests * 1e6)
        requests, rate, _, _ = wrk(settings, port, '/files/1m.bin', 10, 'https')
        add('MiB/s', rate)
        add('MiB CPU us', (kit.cpu_seconds(process.pid) - middle) / requests * 1e6)

    return served(settings, {**OURS, **NGINX_PEER, **H2O_PEER}, measure, tls=True)


# ---- HTTP/2 ---------------------------------------------------------------------------------

H2_CONNECTIONS = 10


def parse_h2load(text):
    """(requests, requests/s) of a run in which all went well, but for those that the end cut."""
    rate = re.search(r'finished in [\d.]+\w+, ([\d.]+) req/s', text)
    counts = re.search(r'requests: .* (\d+) succeeded, (\d+) failed, (\d+) errored', text)
    if not rate or not counts or int(counts.group(2)) or int(counts.group(3)):
        raise kit.Failed('h2load saw errors:\n' + text)
    return int(counts.group(1)), float(rate.group(1))


def http2(settings):
    need('h2load')

    def measure(process, port, _name, add):
        for streams in (1, 100):
            before = kit.cpu_seconds(process.pid)
            requests, rate = parse_h2load(kit.run(
                ['h2load', '-t1', f'-c{H2_CONNECTIONS}', f'-m{streams}', f'-D{settings.seconds}',
                 f'http://127.0.0.1:{port}/'], kit.cores()[1]))
            add(f'{streams} requests/s', rate)
            add(f'{streams} CPU us', (kit.cpu_seconds(process.pid) - before) / requests * 1e6)

    return served(settings, {**OURS, **NGINX_PEER, **H2O_PEER, **NGHTTPD_PEER}, measure, http2=True)
