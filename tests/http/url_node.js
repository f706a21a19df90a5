// SPDX-License-Identifier: MIT
// For url_peers.py: an array of [URL, base or null] from standard input; what the WHATWG URL of Node makes of each.
const cases = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const ports = { 'http:': 80, 'https:': 443, 'ws:': 80, 'wss:': 443 };

function judge([text, base]) {
    let url;
    try {
        url = base === null ? new URL(text) : new URL(text, base);
    } catch {
        return null;
    }
    if (!(url.protocol in ports) || (base !== null && !(new URL(base).protocol in ports)))
        return null;
    const after = url.href.search(/[?#]/), end = after < 0 ? url.href.length : after;
    // The standard has come to encode '^' in paths since this Node.
    const caret = (s) => s.replaceAll('^', '%5E');
    return [
        caret(url.href.slice(0, end)) + url.href.slice(end), url.protocol.slice(0, -1), url.username, url.password,
        url.hostname, String(url.port || ports[url.protocol]), caret(url.pathname), url.search.slice(1),
        url.hash.slice(1),
    ];
}
console.log(JSON.stringify(cases.map(judge)));
