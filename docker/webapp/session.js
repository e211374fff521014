'use strict';

// A visitor's session: a cookie that holds the session itself, signed with a secret that all backends share.
//
// Nothing is kept on the server, so any backend continues the counter when the visitor's own is killed. In return, the
// visitor can read the session and send an older one again: keep out of it what must not be read or repeated.

const crypto = require('node:crypto');

const COOKIE = 'NODESESSID';
const MAX_AGE_S = 24 * 60 * 60;
// id (32 hex digits), views, and the second of the last visit; then the signature over these.
const FORM = /^([0-9a-f]{32})\.([0-9]{1,15})\.([0-9]{1,12})\.([A-Za-z0-9_-]{43})$/;

/** A new session, without any views. */
function fresh() {
  return { id: crypto.randomBytes(16).toString('hex'), views: 0 };
}

/** The session in a `Cookie` header, or a fresh one if there is none with a good signature, young enough. */
function read(header, secret, now = Date.now()) {
  for (const pair of (header ?? '').split(';')) {
    const [name, value] = pair.trim().split('=', 2);
    const session = name === COOKIE ? open(value ?? '', secret, now) : undefined;
    if (session) return session;
  }
  return fresh();
}

/** The `Set-Cookie` header that carries a session to the visitor. */
function write(session, secret, now = Date.now()) {
  const payload = `${session.id}.${session.views}.${Math.floor(now / 1000)}`;
  return `${COOKIE}=${payload}.${sign(payload, secret)}; Path=/; Max-Age=${MAX_AGE_S}; HttpOnly; SameSite=Lax`;
}

function open(value, secret, now) {
  const match = FORM.exec(value);
  if (!match) return undefined;
  const [, id, views, seen, signature] = match;
  const good = Buffer.from(sign(`${id}.${views}.${seen}`, secret));
  if (!crypto.timingSafeEqual(good, Buffer.from(signature))) return undefined;
  const age = now / 1000 - Number(seen);
  // A time slightly in the future comes from another backend's clock.
  return age <= MAX_AGE_S && age >= -60 ? { id, views: Number(views) } : undefined;
}

function sign(payload, secret) {
  return crypto.createHmac('sha256', secret).update(`session.${payload}`).digest('base64url');
}

module.exports = { COOKIE, MAX_AGE_S, fresh, read, write };
