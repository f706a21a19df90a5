# SPDX-License-Identifier: MIT
"""For tests with programs that are not ours: a server of ours, certificates, calls that are bounded in time."""

import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), '..'))

PATIENCE = 20


class Server:
    """A program that prints where it listens."""

    def __init__(self, *command, scheme='http'):
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True,
                                        stdin=subprocess.DEVNULL)
        self.scheme = scheme
        self.port = int(self.process.stdout.readline().rsplit(':', 1)[-1])

    def url(self, path, scheme=None):
        return f'{scheme or self.scheme}://127.0.0.1:{self.port}{path}'

    def stop(self):
        """The rest of the output, and the exit status."""
        self.process.send_signal(signal.SIGTERM)
        rest = self.process.communicate(timeout=PATIENCE)[0]
        return rest, self.process.returncode

    def descriptors(self):
        return len(os.listdir(f'/proc/{self.process.pid}/fd'))


def output(*command, data=None, seconds=PATIENCE, **options):
    """What the command writes, if it ends well."""
    result = subprocess.run(command, input=data, capture_output=True, check=False, timeout=seconds, **options)
    if result.returncode:
        raise AssertionError(f'{command[0]}: {result.returncode} {result.stderr!r} {result.stdout[-1000:]!r}')
    return result.stdout


def curl(*arguments, data=None):
    return output('curl', '-sS', '--max-time', str(PATIENCE), '--noproxy', '*', *arguments, data=data,
                  seconds=PATIENCE + 10)


def certificate(folder):
    """Makes a certificate for this machine, which is its own authority. The paths of chain and key."""
    chain, key = os.path.join(folder, 'chain.pem'), os.path.join(folder, 'key.pem')
    output('openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes',
           '-keyout', key, '-out', chain, '-days', '2', '-subj', '/CN=localhost',
           '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1')
    return chain, key
