/* SPDX-License-Identifier: MIT */
'use strict';

/*
 * The address says what is shown: #note/NAME, #edit/NAME, #new, #tag/TAG, #find/WORDS. Notes are files that
 * other programs change, too; so what is shown is fetched again whenever the page is looked at.
 * Titles, texts and tags are hostile: they enter as text nodes only.
 */

const REFRESH_MS = 10000;
const REFRESH_SHARE = 20; /* of a large notebook: at most a twentieth of the time is spent on it */
const FETCH_MS = 15000;
const ARMED_MS = 5000;
const TYPING_MS = 250;
const PAGE_SIZE = 200;

const $ = (id) => document.getElementById(id);
const enc = encodeURIComponent;

/* -- small tools -- */

function el(tag, attrs, ...kids) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attrs))
    node.setAttribute(name, value);
  node.append(...kids);
  return node;
}

/* Writing the same text again would drop a selection that the reader is making. */
function put(node, text) {
  if (node.textContent !== text)
    node.textContent = text;
}

function say(node, text) {
  put(node, text);
  node.hidden = text === '';
}

const announce = (text) => put($('announce'), text);

/* Characters that control, reorder or hide become visible. */
function visible(value) {
  return String(value ?? '').replace(
    /[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g,
    (c) => '\\u' + c.charCodeAt(0).toString(16).padStart(4, '0'));
}

const titled = (note) => visible(note.title) || 'Untitled';

function when(text) {
  const date = new Date(text ?? '');
  if (Number.isNaN(date.getTime()))
    return '–';
  const days = (Date.now() - date) / 86400000;
  return days < 1 && date.getDate() === new Date().getDate()
    ? date.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' })
    : date.toLocaleDateString([], { year: 'numeric', month: 'short', day: 'numeric' });
}

const moment = (text) => {
  const date = new Date(text ?? '');
  return Number.isNaN(date.getTime()) ? '–' : date.toLocaleString();
};

class Refusal extends Error {
  constructor(status, error) {
    super(visible(error?.message) || 'The server answered ' + status + '.');
    this.status = status;
  }
}

/* Throws a Refusal when the server said no, anything else when it did not answer. */
async function call(method, path, body) {
  const options = { method, cache: 'no-store', signal: AbortSignal.timeout(FETCH_MS) };
  if (method !== 'GET') {
    options.headers = { 'content-type': 'application/json' };
    options.body = JSON.stringify(body ?? {});
  }
  const response = await fetch(path, options);
  const data = await response.json().catch(() => null);
  if (!response.ok)
    throw new Refusal(response.status, data?.error);
  if (data === null)
    throw new Error('not JSON');
  return data;
}

const reason = (e) => (e instanceof Refusal ? e.message : 'The server did not answer.');

/* -- what is shown -- */

const shown = { list: '', note: null, form: null };
let serial = 0; /* of what was asked for last: older answers are late */

function place() {
  const [kind, ...rest] = location.hash.slice(1).split('/');
  let text = '';
  try {
    text = decodeURIComponent(rest.join('/'));
  } catch { /* a link that was cut */ }
  return { kind: text || kind === 'new' ? kind : '', text };
}

/* The list stays what it was while a note of it is looked at. */
const filter = { tag: '', words: '' };

function listPath() {
  if (filter.words)
    return '/api/notes?limit=' + PAGE_SIZE + '&q=' + enc(filter.words);
  return '/api/notes?limit=' + PAGE_SIZE + (filter.tag ? '&tag=' + enc(filter.tag) : '');
}

/* -- the list -- */

function listItem(note, current) {
  const tags = note.tags.map(visible).join(', ');
  const link = el('a', { href: '#note/' + enc(note.name) }, el('strong', {}, titled(note)),
    el('span', {}, when(note.changed) + (tags ? ' · ' + tags : '')));
  link.ariaCurrent = note.name === current;
  return el('li', {}, link);
}

function drawList(data) {
  const { kind, text } = place();
  const current = kind === 'note' || kind === 'edit' ? text : null;
  const key = JSON.stringify([data, current]);
  if (key === shown.list)
    return;
  shown.list = key;
  put($('list-title'), filter.words ? 'Found' : filter.tag ? 'Tagged ' + visible(filter.tag) : 'All notes');
  put($('list-count'), data.total.toLocaleString('en'));
  $('list-all').hidden = !filter.words && !filter.tag;
  $('list').replaceChildren(...data.notes.map((note) => listItem(note, current)));
  say($('list-empty'), data.notes.length > 0 ? '' : filter.words ? 'No note holds these words.'
    : filter.tag ? 'No note has this tag.' : 'No notes yet.');
  const more = data.total - data.notes.length;
  say($('list-more'), more > 0 ? more.toLocaleString('en') + ' more; search to find them.' : '');
  $('unreadable').hidden = data.unreadable.length === 0;
  $('unreadable').querySelector('ul').replaceChildren(
    ...data.unreadable.map((file) => el('li', {}, visible(file.error))));
}

function drawTags(tags) {
  const key = JSON.stringify([tags, filter.tag]);
  if (key === shown.tags)
    return;
  shown.tags = key;
  $('tags').replaceChildren(...tags.map(({ tag, notes }) => {
    const link = el('a', { href: '#tag/' + enc(tag) }, visible(tag), el('small', {}, String(notes)));
    link.ariaCurrent = tag === filter.tag;
    return el('li', {}, link);
  }));
}

let took = 0;

async function loadList() {
  const mine = ++serial;
  const began = performance.now();
  try {
    const [data, stats] = await Promise.all([call('GET', listPath()), call('GET', '/api/stats')]);
    if (mine !== serial)
      return;
    drawList(data);
    drawTags(stats.tags);
    took = performance.now() - began;
    say($('stale'), '');
  } catch (e) {
    if (mine === serial)
      say($('stale'), 'The list may be old. ' + reason(e));
  }
}

/* -- one note -- */

function view(which) {
  $('main').classList.toggle('open', which !== 'nothing');
  for (const id of ['note', 'form', 'nothing'])
    $(id).hidden = id !== which;
}

function drawNote(note) {
  const key = JSON.stringify(note);
  if (key === shown.note)
    return;
  shown.note = key;
  put($('note-title'), titled(note));
  put($('note-when'), 'Changed ' + moment(note.changed) + ' · made ' + moment(note.created));
  put($('note-body'), visible(note.body));
  $('note-tags').replaceChildren(...note.tags.map((tag) =>
    el('li', {}, el('a', { href: '#tag/' + enc(tag) }, visible(tag)))));
  $('note-edit').href = '#edit/' + enc(note.name);
  disarm();
}

async function loadNote(name, focus) {
  try {
    const note = await call('GET', '/api/notes/' + enc(name));
    if (place().kind !== 'note' || place().text !== name)
      return;
    say($('note-wrong'), '');
    drawNote(note);
    view('note');
    document.title = titled(note) + ' – Kettle notes';
    if (focus)
      $('note-title').focus({ preventScroll: true });
  } catch (e) {
    if (place().text !== name)
      return;
    shown.note = null;
    put($('note-title'), visible(name));
    put($('note-when'), '');
    put($('note-body'), '');
    $('note-tags').replaceChildren();
    say($('note-wrong'), reason(e));
    view('note');
  }
}

/* The first press arms, the second removes: there is no way back. */
let armed = 0;

function disarm() {
  clearTimeout(armed);
  armed = 0;
  $('note-remove').classList.remove('armed');
  put($('note-remove'), 'Remove');
}

async function remove() {
  if (!armed) {
    armed = setTimeout(disarm, ARMED_MS);
    $('note-remove').classList.add('armed');
    put($('note-remove'), 'Remove for good');
    announce('Press again to remove the note');
    return;
  }
  disarm();
  try {
    await call('DELETE', '/api/notes/' + enc(place().text));
    announce('Removed');
    location.hash = '';
    loadList();
  } catch (e) {
    say($('note-wrong'), 'Not removed. ' + reason(e));
  }
}

/* -- writing -- */

const tagsOf = (text) => [...new Set(text.split(',').map((tag) => tag.trim()).filter(Boolean))];

function openForm(note) {
  shown.form = note;
  put($('form-name'), note ? 'Edit' : 'New note');
  $('f-title').value = note?.title ?? '';
  $('f-body').value = note?.body ?? '';
  $('f-tags').value = note?.tags.join(', ') ?? filter.tag;
  $('form-cancel').href = note ? '#note/' + enc(note.name) : '#';
  $('form-overwrite').hidden = true;
  say($('form-wrong'), '');
  view('form');
  $(note ? 'f-body' : 'f-title').focus();
  document.title = (note ? 'Edit ' + titled(note) : 'New note') + ' – Kettle notes';
}

async function loadForm(name) {
  try {
    const note = await call('GET', '/api/notes/' + enc(name));
    if (place().kind === 'edit' && place().text === name)
      openForm(note);
  } catch (e) {
    say($('stale'), reason(e));
  }
}

/* A text area knows LF alone; a text that had CR LF gets it back. */
function bodyOf(note) {
  const text = $('f-body').value;
  return note && /\r\n/.test(note.body) && !/[^\r]\n/.test(note.body) ? text.replaceAll('\n', '\r\n') : text;
}

async function save(over) {
  const note = shown.form;
  const body = { title: $('f-title').value.trim(), tags: tagsOf($('f-tags').value) };
  if (!note || $('f-body').value !== note.body.replaceAll('\r\n', '\n'))
    body.body = bodyOf(note);
  if (note && !over)
    body.seen = note.changed;
  if (!body.title && !(body.body ?? note?.body)) {
    say($('form-wrong'), 'Write a title or a text first.');
    $('f-title').focus();
    return;
  }
  $('form-save').disabled = true;
  try {
    const saved = note ? await call('PUT', '/api/notes/' + enc(note.name), body)
      : await call('POST', '/api/notes', body);
    shown.form = null;
    announce('Saved');
    location.hash = '#note/' + enc(saved.name);
    loadList();
  } catch (e) {
    const conflict = e instanceof Refusal && e.status === 409;
    say($('form-wrong'), conflict ? 'Not saved: the note was changed elsewhere meanwhile.' : 'Not saved. ' + reason(e));
    $('form-overwrite').hidden = !conflict;
  }
  $('form-save').disabled = false;
}

const unsaved = () => {
  const note = shown.form;
  return !$('form').hidden && ($('f-title').value !== (note?.title ?? '') ||
    $('f-body').value !== (note?.body ?? '').replaceAll('\r\n', '\n'));
};

/* -- where to -- */

function route() {
  const { kind, text } = place();
  if (kind === 'tag' || kind === 'find' || kind === '') {
    filter.tag = kind === 'tag' ? text : '';
    filter.words = kind === 'find' ? text : '';
    if (document.activeElement !== $('words'))
      $('words').value = filter.words;
    document.title = 'Kettle notes';
    view('nothing');
  }
  if (kind === 'note')
    loadNote(text, true);
  else if (kind === 'edit')
    loadForm(text);
  else if (kind === 'new')
    openForm(null);
  loadList();
}

function refresh() {
  if (document.hidden)
    return;
  loadList();
  if (place().kind === 'note')
    loadNote(place().text, false);
}

let typing = 0;
$('words').oninput = () => {
  clearTimeout(typing);
  typing = setTimeout(() => {
    const words = $('words').value.trim();
    location.hash = words ? '#find/' + enc(words) : '';
  }, TYPING_MS);
};
$('search').onsubmit = (event) => event.preventDefault();
$('form').onsubmit = (event) => {
  event.preventDefault();
  save(false);
};
$('form-overwrite').onclick = () => save(true);
$('note-remove').onclick = remove;
window.onhashchange = route;
window.onbeforeunload = (event) => {
  if (unsaved())
    event.preventDefault();
};
document.onvisibilitychange = refresh;

(function again() {
  setTimeout(() => {
    refresh();
    again();
  }, Math.max(REFRESH_MS, took * REFRESH_SHARE));
})();
route();
