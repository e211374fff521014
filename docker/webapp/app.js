'use strict';

// What the sample backend answers: a greeting that names the backend, a delay for experiments, its health.
//
// Its own address is taken from the request's connection: with several networks, on loopback and in a container this is
// the address that the balancer used, and needs no setting.

const { setTimeout: sleep } = require('node:timers/promises');
const sessions = require('./session.js');

const MAX_DELAY_MS = 30_000;
const MAX_BODY_BYTES = 1024;

/** A request that is answered with an error. */
class Refusal extends Error {
  constructor(status, message, headers = {}) {
    super(message);
    this.status = status;
    this.headers = headers;
  }
}

/** The request listener of a backend. `settings`: name, secret. `isStopping()` says that it is about to end. */
function create(settings, isStopping) {
  const app = { ...settings, isStopping, delayMs: 0 };
  return async (req, res) => {
    try {
      await route(req)(app, req, res);
    } catch (err) {
      refuse(app, req, res, err);
    }
  };
}

const ROUTES = {
  '/': { GET: hello },
  '/delay': { POST: delay },
  '/healthz': { GET: health },
};

function route(req) {
  const path = req.url.split('?', 1)[0];
  if (!Object.hasOwn(ROUTES, path)) throw new Refusal(404, 'no such page');
  const methods = ROUTES[path];
  const method = req.method === 'HEAD' ? 'GET' : req.method;
  if (!Object.hasOwn(methods, method)) {
    throw new Refusal(405, 'no such method here', { allow: Object.keys(methods).join(', ') });
  }
  return methods[method];
}

async function hello(app, req, res) {
  const ip = (req.socket.localAddress ?? '').replace(/^::ffff:/, '');
  if (app.delayMs > 0) await pause(app.delayMs, res);
  if (res.destroyed) return;
  const session = sessions.read(req.headers.cookie, app.secret);
  session.views += 1;
  const headers = {
    'x-backend-ip': ip,
    'set-cookie': sessions.write(session, app.secret),
    'cache-control': 'no-store',
  };
  const { id, views } = session;
  answer(app, res, 200, { hello: 'world!', ip, host: app.name, sessionViews: views, id }, headers);
}

/** Waits, but not for a visitor who has gone. */
async function pause(ms, res) {
  const gone = new AbortController();
  const abort = () => gone.abort();
  res.once('close', abort);
  await sleep(ms, undefined, { signal: gone.signal }).catch(() => {});
  res.off('close', abort);
}

async function delay(app, req, res) {
  const ms = delayIn(req.headers['content-type'], await body(req));
  app.delayMs = ms;
  answer(app, res, 200, { message: `New timeout of ${ms}ms configured.` });
}

/** The delay that a body asks for: `{"delay": 250}`, or `delay=250` from a form. */
function delayIn(contentType = '', text) {
  const type = contentType.split(';', 1)[0].trim().toLowerCase();
  let wanted;
  if (type === 'application/json') wanted = parseJson(text)?.delay;
  else if (type === 'application/x-www-form-urlencoded') wanted = new URLSearchParams(text).get('delay');
  else throw new Refusal(415, 'send application/json or application/x-www-form-urlencoded');
  const whole = typeof wanted === 'number' || /^[0-9]{1,6}$/.test(typeof wanted === 'string' ? wanted : '');
  const ms = whole ? Number(wanted) : NaN;
  if (!Number.isInteger(ms) || ms < 0 || ms > MAX_DELAY_MS) {
    throw new Refusal(400, `delay is a whole number of milliseconds from 0 to ${MAX_DELAY_MS}`);
  }
  return ms;
}

function parseJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    throw new Refusal(400, 'the body is not JSON');
  }
}

/** The body as text. Not `for await`: leaving that loop early cuts the connection, and with it the answer. */
function body(req) {
  return new Promise((resolve, reject) => {
    const chunks = [];
    let bytes = 0;
    req.on('data', (chunk) => {
      bytes += chunk.length;
      if (bytes <= MAX_BODY_BYTES) chunks.push(chunk);
      else reject(new Refusal(413, `the body is longer than ${MAX_BODY_BYTES} bytes`));
    });
    req.on('end', () => resolve(Buffer.concat(chunks).toString('utf8')));
    req.on('error', reject);
  });
}

function health(app, req, res) {
  const stopping = app.isStopping();
  answer(app, res, stopping ? 503 : 200, { status: stopping ? 'stopping' : 'ok' }, { 'cache-control': 'no-store' });
}

function answer(app, res, status, value, headers = {}) {
  // Checked as late as possible, so that a balancer does not keep the connection.
  if (app.isStopping()) res.shouldKeepAlive = false;
  const text = `${JSON.stringify(value)}\n`;
  res.writeHead(status, { ...headers, 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
  res.end(text);
}

function refuse(app, req, res, err) {
  if (res.headersSent || res.destroyed) return res.destroy();
  // The rest of the body is not read, so the connection cannot be used again.
  if (!req.complete) res.shouldKeepAlive = false;
  if (!(err instanceof Refusal)) console.error(`webapp: cannot answer ${req.method}: ${err.message}`);
  const known = err instanceof Refusal ? err : new Refusal(500, 'something went wrong');
  answer(app, res, known.status, { message: known.message }, known.headers);
  return undefined;
}

module.exports = { MAX_BODY_BYTES, MAX_DELAY_MS, create };
