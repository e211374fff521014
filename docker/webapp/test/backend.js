'use strict';

// A backend as a process of its own, for the tests: started on a free port, killed when its test ends.

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const http = require('node:http');
const net = require('node:net');
const path = require('node:path');

const SERVER = path.join(__dirname, '..', 'server.js');
const SECRET = 'a secret that all backends share';

/** Runs server.js with `env` added; gives the process, its output so far and a promise of its end. */
function run(t, env = {}) {
  const child = spawn(process.execPath, [SERVER], {
    env: { PATH: process.env.PATH, HOST: '127.0.0.1', PORT: '0', SESSION_SECRET: SECRET, ...env },
  });
  t.after(() => child.kill('SIGKILL'));
  const backend = { child, out: '', err: '', ended: once(child, 'exit').then(([code]) => code) };
  child.stdout.on('data', (text) => (backend.out += text));
  child.stderr.on('data', (text) => (backend.err += text));
  return backend;
}

/** Runs server.js and waits until it listens. */
async function start(t, env) {
  const backend = run(t, env);
  while (!backend.out.includes('\n')) {
    await Promise.race([once(backend.child.stdout, 'data'), backend.ended]);
    if (backend.child.exitCode !== null) throw new Error(`webapp ended: ${backend.err}`);
  }
  backend.port = Number(/:([0-9]+)\n/.exec(backend.out)[1]);
  return backend;
}

/** One request; gives status, headers and the body read as JSON. */
function ask(backend, method, url, { headers = {}, body, agent = false } = {}) {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port: backend.port, method, path: url, headers, agent };
    const request = http.request(options, (response) => {
      let text = '';
      response.on('data', (chunk) => (text += chunk));
      response.on('error', reject);
      response.on('end', () => {
        const json = text === '' ? undefined : JSON.parse(text);
        resolve({ status: response.statusCode, headers: response.headers, json });
      });
    });
    request.on('error', reject);
    request.end(body);
  });
}

/** Writes bytes on a bare connection; gives what comes back until it is closed. */
function raw(backend, bytes) {
  return new Promise((resolve) => {
    const socket = net.connect(backend.port, '127.0.0.1', () => socket.write(bytes));
    let text = '';
    socket.on('data', (chunk) => (text += chunk));
    socket.on('error', () => {});
    socket.on('close', () => resolve(text));
  });
}

/** Sets the delay of a backend. */
function setDelay(backend, ms) {
  const headers = { 'content-type': 'application/json' };
  return ask(backend, 'POST', '/delay', { headers, body: JSON.stringify({ delay: ms }) });
}

module.exports = { SECRET, ask, raw, run, setDelay, start };
