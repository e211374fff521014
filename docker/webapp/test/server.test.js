'use strict';

// The running program: what it answers, what it refuses, how it ends.

const assert = require('node:assert/strict');
const http = require('node:http');
const os = require('node:os');
const test = require('node:test');
const { ask, raw, run, setDelay, start } = require('./backend.js');

const JSON_TYPE = { 'content-type': 'application/json' };
const FORM_TYPE = { 'content-type': 'application/x-www-form-urlencoded' };

function visit(backend, cookie) {
  return ask(backend, 'GET', '/', { headers: cookie ? { cookie } : {} });
}

function cookieOf(response) {
  return response.headers['set-cookie'][0].split(';', 1)[0];
}

test('the greeting names the backend', async (t) => {
  const backend = await start(t);
  const { status, headers, json } = await visit(backend);
  assert.equal(status, 200);
  assert.equal(headers['x-backend-ip'], '127.0.0.1');
  assert.match(json.id, /^[0-9a-f]{32}$/);
  assert.deepEqual(json, { hello: 'world!', ip: '127.0.0.1', host: os.hostname(), sessionViews: 1, id: json.id });
});

test('a visitor whose backend is killed goes on counting at the next one', async (t) => {
  const [one, two] = await Promise.all([start(t), start(t, { SERVER_NAME: 'two' })]);
  const first = await visit(one);
  const second = await visit(one, cookieOf(first));
  one.child.kill('SIGKILL');
  const third = await visit(two, cookieOf(second));
  assert.deepEqual([first, second, third].map((r) => r.json.sessionViews), [1, 2, 3]);
  assert.equal(third.json.id, first.json.id);
  assert.equal(third.json.host, 'two');
});

test('a cookie of a backend with another secret starts a new session', async (t) => {
  const [one, two] = await Promise.all([start(t), start(t, { SESSION_SECRET: 'quite another secret' })]);
  const third = await visit(two, cookieOf(await visit(one)));
  assert.equal(third.json.sessionViews, 1);
});

test('a delay is set by JSON and by a form, slows the greeting and not the health check', async (t) => {
  const backend = await start(t);
  assert.equal((await ask(backend, 'POST', '/delay', { headers: FORM_TYPE, body: 'delay=300' })).status, 200);
  const before = Date.now();
  assert.equal((await ask(backend, 'GET', '/healthz')).status, 200);
  assert.ok(Date.now() - before < 250);
  await visit(backend);
  assert.ok(Date.now() - before >= 290);
  assert.equal((await setDelay(backend, 0)).json.message, 'New timeout of 0ms configured.');
});

test('a bad delay is refused and changes nothing', async (t) => {
  const backend = await start(t);
  const json = ['{"delay":-1}', '{"delay":1.5}', '{"delay":30001}', '{"delay":true}', '{}', 'null', '[', ''];
  for (const body of json) {
    assert.equal((await ask(backend, 'POST', '/delay', { headers: JSON_TYPE, body })).status, 400, body);
  }
  for (const body of ['delay=', 'delay=1e3', 'delay=99999', 'other=1', '']) {
    assert.equal((await ask(backend, 'POST', '/delay', { headers: FORM_TYPE, body })).status, 400, body);
  }
  assert.equal((await ask(backend, 'POST', '/delay', { body: 'delay=1' })).status, 415);
  const before = Date.now();
  await visit(backend);
  assert.ok(Date.now() - before < 500);
});

test('what is not there is refused in JSON', async (t) => {
  const backend = await start(t);
  assert.equal((await ask(backend, 'GET', '/constructor')).status, 404);
  assert.equal((await ask(backend, 'GET', '/toString?x')).status, 404);
  const wrong = await ask(backend, 'DELETE', '/');
  assert.deepEqual([wrong.status, wrong.headers.allow], [405, 'GET']);
  assert.equal((await ask(backend, 'GET', '/delay')).status, 405);
  assert.equal((await ask(backend, 'HEAD', '/')).status, 200);
});

test('a body that is too long is refused, with and without its length', async (t) => {
  const backend = await start(t);
  const body = JSON.stringify({ delay: 1, pad: 'x'.repeat(2000) });
  assert.equal((await ask(backend, 'POST', '/delay', { headers: JSON_TYPE, body })).status, 413);
  const head = 'POST /delay HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n';
  assert.match(await raw(backend, `${head}800\r\n${'x'.repeat(2048)}\r\n`), /^HTTP\/1\.1 413 /);
  assert.equal((await visit(backend)).status, 200);
});

test('headers that are too long or no HTTP are refused and the backend goes on', async (t) => {
  const backend = await start(t);
  assert.match(await raw(backend, `GET / HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(9000)}\r\n\r\n`), /^HTTP\/1\.1 431 /);
  assert.match(await raw(backend, '\u0000\u0001\r\n\r\n'), /^HTTP\/1\.1 400 /);
  assert.equal((await visit(backend)).status, 200);
});

test('SIGTERM answers the request in flight, keeps no connection, and ends with 0', async (t) => {
  const backend = await start(t);
  await setDelay(backend, 500);
  const agent = new http.Agent({ keepAlive: true });
  const inFlight = ask(backend, 'GET', '/', { agent });
  await ask(backend, 'GET', '/healthz');
  backend.child.kill('SIGTERM');
  const answer = await inFlight;
  assert.deepEqual([answer.status, answer.headers.connection], [200, 'close']);
  assert.equal(await backend.ended, 0);
  await assert.rejects(ask(backend, 'GET', '/healthz'), { code: 'ECONNREFUSED' });
  agent.destroy();
});

test('with DRAIN_MS it serves on after SIGTERM while its health check fails', async (t) => {
  const backend = await start(t, { DRAIN_MS: '700' });
  const agent = new http.Agent({ keepAlive: true });
  await ask(backend, 'GET', '/', { agent });
  backend.child.kill('SIGTERM');
  let health;
  do health = await ask(backend, 'GET', '/healthz');
  while (health.status === 200);
  assert.equal(health.status, 503);
  assert.equal((await ask(backend, 'GET', '/', { agent })).headers.connection, 'close');
  assert.equal(await backend.ended, 0);
  agent.destroy();
});

test('a request that takes too long does not keep it from ending', async (t) => {
  const backend = await start(t, { STOP_MS: '200' });
  await setDelay(backend, 20_000);
  const cut = assert.rejects(visit(backend), { code: 'ECONNRESET' });
  await ask(backend, 'GET', '/healthz');
  backend.child.kill('SIGTERM');
  assert.equal(await backend.ended, 0);
  await cut;
});

test('an idle connection does not keep it from ending', async (t) => {
  const backend = await start(t, { STOP_MS: '20000' });
  const agent = new http.Agent({ keepAlive: true });
  await ask(backend, 'GET', '/', { agent });
  const before = Date.now();
  backend.child.kill('SIGTERM');
  assert.equal(await backend.ended, 0);
  assert.ok(Date.now() - before < 5_000);
  agent.destroy();
});

test('it does not start without a secret, or with a setting that it cannot use', async (t) => {
  const wrong = [
    { SESSION_SECRET: '' },
    { SESSION_SECRET: 'short' },
    { SESSION_SECRET_FILE: '/nonexistent/secret' },
    { PORT: '65536' },
    { PORT: '80x' },
    { DRAIN_MS: '-1' },
  ];
  for (const env of wrong) {
    const backend = run(t, env);
    assert.equal(await backend.ended, 2, JSON.stringify(env));
    assert.match(backend.err, /^webapp: cannot [^\n]*\n$/);
  }
});

test('a random secret is used when asked for, and reported', async (t) => {
  const backend = await start(t, { SESSION_SECRET: 'random' });
  assert.match(backend.err, /drawn at random/);
  assert.equal((await visit(backend, cookieOf(await visit(backend)))).json.sessionViews, 2);
});

test('a port in use is one line and exit 1', async (t) => {
  const one = await start(t);
  const two = run(t, { PORT: String(one.port) });
  assert.equal(await two.ended, 1);
  assert.equal(two.err, `webapp: cannot listen on '127.0.0.1:${one.port}': EADDRINUSE\n`);
});
