#!/usr/bin/env node
'use strict';

// The sample backend behind the balancer: starts the server, and ends it in order.
//
// SIGTERM has two steps. For DRAIN_MS all requests are still served, /healthz answers 503 and no connection is kept, so
// that balancers stop sending requests. Then no new connection is accepted, and requests in flight have STOP_MS.

const http = require('node:http');
const app = require('./app.js');
const { SettingError, read } = require('./settings.js');

// Limits for a hostile or broken client: headers of 8 KiB in 10 s, a whole request in 15 s. Idle connections stay open
// longer than a balancer keeps them, so this side never closes one under a request.
const LIMITS = {
  maxHeaderSize: 8 * 1024,
  headersTimeout: 10_000,
  requestTimeout: 15_000,
  connectionsCheckingInterval: 1_000,
  keepAliveTimeout: 65_000,
};

function main() {
  const settings = readSettings();
  let stopping = false;
  const server = http.createServer(LIMITS, app.create(settings, () => stopping));
  server.on('error', (err) => fail(1, `cannot listen on '${settings.host}:${settings.port}': ${err.code}`));
  server.listen({ host: settings.host, port: settings.port }, () => {
    const { address, port } = server.address();
    console.log(`webapp: listening on ${address}:${port}`);
  });
  for (const signal of ['SIGTERM', 'SIGINT']) {
    process.on(signal, () => {
      if (stopping) process.exit(0);
      stopping = true;
      setTimeout(() => stop(server, settings.stopMs), settings.drainMs);
    });
  }
}

function readSettings() {
  try {
    return read(process.env, (line) => console.error(`webapp: ${line}`));
  } catch (err) {
    if (err instanceof SettingError) return fail(2, err.message);
    throw err;
  }
}

/** Accepts no more, lets requests in flight be answered for `ms`, then cuts. */
function stop(server, ms) {
  server.close(() => process.exit(0));
  // Node 18 does not do this in close(), and a connection may become idle later.
  server.closeIdleConnections();
  setInterval(() => server.closeIdleConnections(), 50);
  setTimeout(() => {
    console.error(`webapp: cut requests that were not answered within ${ms} ms`);
    process.exit(0);
  }, ms);
}

function fail(code, line) {
  console.error(`webapp: ${line}`);
  process.exit(code);
}

main();
