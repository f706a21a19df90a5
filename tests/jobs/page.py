# SPDX-License-Identifier: MIT
"""What the tests of the live page share: a browser, servers, and how to look at the page."""

import contextlib
import http.server
import os
import re
import sys
import threading
import traceback

import webdriver
from served import Server, until

TESTS = []


def test(function):
    TESTS.append(function)
    return function


def equal(got, wanted, what='value'):
    assert got == wanted, f'{what}: got {got!r}, wanted {wanted!r}'


class Place:
    """What a test gets: a server with an empty store, and the browser that all tests share."""

    def __init__(self, program, driver, browser):
        self.program, self.driver, self.browser = program, driver, browser
        self.stack = contextlib.ExitStack()
        self.servers = []

    @property
    def server(self):
        return self.servers[0] if self.servers else self.new_server()

    def new_server(self, *options):
        self.servers.append(self.stack.enter_context(
            Server(self.program, '--grace', '0', *options)))
        return self.servers[-1]

    def new_browser(self, *flags):
        browser = webdriver.Browser(self.driver, *flags)
        self.stack.callback(browser.close)
        return browser

    def open(self, fragment=''):
        """The server's page, live."""
        self.browser.get('about:blank')  # else another fragment alone would load nothing
        self.browser.get(f'{self.server.url}/{fragment}')
        live(self.browser)
        return self.browser

    def stranger(self):
        """The port of another server on this machine, whose pages mean no good."""
        server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), StrangerPages)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.stack.callback(server.server_close)
        self.stack.callback(server.shutdown)
        return server.server_address[1]


class StrangerPages(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b'<!doctype html><title>stranger</title><p id="mine">hello</p>'
        self.send_response(200)
        self.send_header('Content-Type', 'text/html')
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def every_job(server):
    return server.list('?limit=1000')['jobs']


# ---- looking at the page ------------------------------------------------------------------------

def live(browser):
    browser.wait('the page is live',
                 "return document.querySelector('#link')?.textContent === 'Live'")


def counted(browser, state):
    return browser.run("return Number(document.getElementById('count-' + arguments[0])"
                       ".textContent.replaceAll(',', ''))", state)


def row(browser, listed, number):
    """A selector of the job's row, once the list shows it."""
    return browser.wait(f'job {number} in {listed}', '''
        const [list, id] = arguments;
        for (const li of document.querySelectorAll(`#${list} > li`))
            if (li.querySelector('.number').textContent === '#' + id)
                return `#${list} > li:nth-child(${[...li.parentNode.children].indexOf(li) + 1})`;
        return null;''', listed, number)


def in_row(browser, listed, number, part):
    """The text of a part of the job's row; the row is looked up at once, as rows move."""
    return browser.run('''
        const [list, id, part] = arguments;
        const li = [...document.querySelectorAll(`#${list} > li`)].find(
            (li) => li.querySelector('.number').textContent === '#' + id);
        return li?.querySelector(part)?.textContent ?? null;''', listed, number, part)


def shows(browser, listed, number, part, text):
    return until(lambda: text in (in_row(browser, listed, number, part) or ''),
                 f'{part} of job {number} in {listed} shows {text!r}')


def click_in_row(browser, listed, number, part):
    browser.click(f'{row(browser, listed, number)} {part}')


def submitted_id(browser):
    text = browser.wait('the form tells the job\'s number',
                        "return document.getElementById('form-done').textContent")
    return int(re.match(r'Job (\d+) is', text).group(1))


# ---- running the tests --------------------------------------------------------------------------

def run_one(function, program, driver, browser):
    place = Place(program, driver, browser)
    with place.stack:
        try:
            browser.get('about:blank')
            browser.faults()
            function(place)
        except Exception:  # whatever it was, the others still run
            traceback.print_exc(file=sys.stdout)
            for server in place.servers:
                print('the server said:', *server.log.splitlines()[-20:], sep='\n   ')
            print(f'FAIL {function.__name__}', flush=True)
            return False
    print(f'ok {function.__name__}', flush=True)
    return True


def main():
    """usage: test_NAME.py KETTLE_JOBS [TEST]..."""
    if len(sys.argv) < 2:
        sys.exit(main.__doc__)
    program, names = os.path.realpath(sys.argv[1]), sys.argv[2:]
    chosen = [t for t in TESTS if not names or t.__name__ in names]
    if webdriver.missing():
        print(f'skipped page: {webdriver.missing()}')
        sys.exit(77)
    failed = 0
    with contextlib.ExitStack() as stack:
        driver = webdriver.Driver()
        stack.callback(driver.close)
        browser = webdriver.Browser(driver)
        stack.callback(browser.close)
        for function in chosen:
            failed += not run_one(function, program, driver, browser)
    print(f'{len(chosen) - failed} passed, {failed} failed')
    sys.exit(1 if failed or not chosen else 0)
