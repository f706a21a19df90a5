# SPDX-License-Identifier: MIT
"""Chromium, driven over plain HTTP through chromedriver (W3C WebDriver), for tests of pages."""

import base64
import http.client
import json
import os
import shutil
import signal
import subprocess
import tempfile

from served import until

ELEMENT = 'element-6066-11e4-a52e-4f735466cecf'  # W3C WebDriver, 12.1
ENTER, TAB = '\ue007', '\ue004'
FLAGS = [
    '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync',
    '--disable-dev-shm-usage', '--hide-scrollbars', '--lang=en-GB', '--window-size=1280,900',
]
# Runs in each document before its own scripts: what a page must not do is written down.
WITNESS = '''
    window.__faults = [];
    const fault = (text) => window.__faults.push(text);
    addEventListener('error', (e) => fault('error: ' + e.message));
    addEventListener('unhandledrejection', (e) => fault('rejected: ' + e.reason));
    document.addEventListener('securitypolicyviolation',
        (e) => fault('policy: ' + e.violatedDirective + ' ' + e.blockedURI));
'''


def missing():
    """Why no browser can be driven here, or None."""
    for name, package in (('chromedriver', 'chromium-driver'), ('chromium', 'chromium')):
        if not shutil.which(name):
            return f'{name} is not installed (Debian package {package})'
    return None


class DriverError(Exception):
    pass


class Driver:
    """A chromedriver of our own, in a process group of its own."""

    def __init__(self):
        self.process = subprocess.Popen(
            [shutil.which('chromedriver'), '--port=0'], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True)
        self.port = None
        for line in self.process.stdout:
            if 'started successfully on port' in line:
                self.port = int(line.rstrip().rstrip('.').rsplit(' ', 1)[1])
                break
        if not self.port:
            self.close()
            raise DriverError('chromedriver did not start')

    def close(self):
        try:
            os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait(5)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()

    def call(self, method, path, body=None):
        connection = http.client.HTTPConnection('127.0.0.1', self.port, timeout=60)
        try:
            data = None if method != 'POST' else json.dumps(body or {})
            connection.request(method, path, data, {'Content-Type': 'application/json'})
            value = json.loads(connection.getresponse().read())['value']
        finally:
            connection.close()
        if isinstance(value, dict) and 'error' in value and 'stacktrace' in value:
            raise DriverError(f'{value["error"]}: {value["message"].splitlines()[0]}')
        return value


class Browser:
    """A session: one Chromium with a new profile."""

    def __init__(self, driver, *flags):
        self.driver = driver
        self.profile = tempfile.mkdtemp(prefix='kettle-page-')
        options = {'binary': shutil.which('chromium'),
                   'args': [*FLAGS, f'--user-data-dir={self.profile}', *flags]}
        answer = driver.call('POST', '/session', {'capabilities': {'alwaysMatch': {
            'browserName': 'chrome', 'goog:chromeOptions': options,
            'goog:loggingPrefs': {'browser': 'ALL'}, 'timeouts': {'script': 30000}}}})
        self.session = answer['sessionId']
        self.devtools('Page.addScriptToEvaluateOnNewDocument', source=WITNESS)

    def close(self):
        try:
            self.call('DELETE', '')
        except (DriverError, OSError):
            pass  # it is gone already; what counts is that it is
        shutil.rmtree(self.profile, ignore_errors=True)

    def call(self, method, path, body=None):
        return self.driver.call(method, f'/session/{self.session}{path}', body)

    def devtools(self, command, **params):
        return self.call('POST', '/goog/cdp/execute', {'cmd': command, 'params': params})

    def get(self, url):
        self.call('POST', '/url', {'url': url})

    def run(self, script, *args):
        """The value that the body of a function returns in the page; a promise is awaited."""
        return self.call('POST', '/execute/sync', {'script': script, 'args': list(args)})

    def wait(self, what, script, *args):
        return until(lambda: self.run(script, *args), what)

    def faults(self):
        """What the console and the document's witness have written since the last call."""
        lines = self.call('POST', '/se/log', {'type': 'browser'})
        return [line['message'] for line in lines
                if line['level'] in ('SEVERE', 'WARNING')] + self.run(
                    'return (window.__faults || []).splice(0)')

    def find(self, selector):
        return self.call('POST', '/element', {'using': 'css selector', 'value': selector})[ELEMENT]

    def click(self, selector):
        """Waits until it can be clicked: what the server has to say comes when it comes."""
        until(lambda: self.try_click(selector), f'{selector} to click')

    def try_click(self, selector):
        not_yet = ('no such element', 'element not interactable', 'stale element reference',
                   'element click intercepted')
        try:
            self.call('POST', f'/element/{self.find(selector)}/click')
            return True
        except DriverError as error:
            if str(error).startswith(not_yet):
                return False
            raise

    def type(self, selector, text):
        element = self.find(selector)
        self.call('POST', f'/element/{element}/clear')
        self.call('POST', f'/element/{element}/value', {'text': text})

    def press(self, selector, key):
        self.call('POST', f'/element/{self.find(selector)}/value', {'text': key})

    def choose(self, selector, text):
        """An option of a list by its first letters; chromedriver's click would fire no `input`."""
        self.press(selector, text)

    def text(self, selector):
        return self.run('return document.querySelector(arguments[0])?.innerText ?? null', selector)

    def windows(self):
        return self.call('GET', '/window/handles')

    def open_window(self):
        handle = self.call('POST', '/window/new', {'type': 'window'})['handle']
        self.switch(handle)
        return handle

    def switch(self, handle):
        self.call('POST', '/window', {'handle': handle})

    def close_window(self):
        self.call('DELETE', '/window')

    def into_frame(self, number):
        self.call('POST', '/frame', {'id': number})

    def out_of_frame(self):
        self.call('POST', '/frame', {'id': None})

    def size(self, width, height, phone=False, scale=1):
        self.devtools('Emulation.setDeviceMetricsOverride', width=width, height=height,
                      deviceScaleFactor=scale, mobile=phone)

    def own_size(self):
        self.devtools('Emulation.clearDeviceMetricsOverride')

    def scheme(self, name):
        """'dark', 'light', or '' for the browser's own."""
        self.devtools('Emulation.setEmulatedMedia',
                      features=[{'name': 'prefers-color-scheme', 'value': name}])

    def screenshot(self, path):
        with open(path, 'wb') as f:
            f.write(base64.b64decode(self.call('GET', '/screenshot')))
