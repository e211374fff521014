'use strict';

// The cookie alone: what is signed is read back, everything else is a fresh session.

const assert = require('node:assert/strict');
const test = require('node:test');
const { COOKIE, MAX_AGE_S, read, write } = require('../session.js');

const SECRET = Buffer.from('a secret that all backends share');

function cookie(session, secret = SECRET, now = Date.now()) {
  return write(session, secret, now).split(';', 1)[0];
}

const SESSION = { id: '0123456789abcdef0123456789abcdef', views: 7 };

test('what is written is read back, also between other cookies', () => {
  assert.deepEqual(read(cookie(SESSION), SECRET), SESSION);
  assert.deepEqual(read(`a=b; ${cookie(SESSION)};SRV=1234`, SECRET), SESSION);
  assert.match(write(SESSION, SECRET), /; HttpOnly; SameSite=Lax$/);
});

test('a cookie that was changed or signed with another secret is a fresh session', () => {
  const good = cookie(SESSION);
  const [, payload] = good.split('=');
  const forged = [
    good.replace('.7.', '.8.'),
    `${good}x`,
    good.slice(0, -1),
    cookie(SESSION, Buffer.from('another secret of another shop')),
    `${COOKIE}=${payload.split('.').slice(0, 3).join('.')}`,
    `${COOKIE}=`,
    `${COOKIE}`,
    `X${good}`,
    '\u0000;;==;',
    undefined,
  ];
  for (const header of forged) {
    const session = read(header, SECRET);
    assert.equal(session.views, 0, header);
    assert.notEqual(session.id, SESSION.id, header);
  }
});

test('the good one of two cookies with the same name is taken', () => {
  assert.deepEqual(read(`${COOKIE}=planted; ${cookie(SESSION)}`, SECRET), SESSION);
});

test('a session ends a day after the last visit, and one from the future is not believed', () => {
  const now = Date.now();
  const at = (seconds) => read(cookie(SESSION, SECRET, now + seconds * 1000), SECRET, now).views;
  assert.equal(at(-MAX_AGE_S + 10), 7);
  assert.equal(at(-MAX_AGE_S - 10), 0);
  assert.equal(at(30), 7);
  assert.equal(at(90), 0);
});
