'use strict';

// The settings, read from the environment once, at the start; README.md has the table.
//
// A wrong one ends the program with a line that names it: a backend that started with a guess would be noticed too late.

const crypto = require('node:crypto');
const fs = require('node:fs');
const os = require('node:os');

const SECRET_BYTES = 16;

/** A setting that cannot be used. */
class SettingError extends Error {}

/** All settings out of `env`; throws a `SettingError` for the first that is wrong. `warn` gets a line. */
function read(env, warn) {
  return {
    host: env.HOST || '0.0.0.0',
    port: number(env, 'PORT', 3000, 65535),
    name: env.SERVER_NAME || os.hostname(),
    secret: secret(env, warn),
    drainMs: number(env, 'DRAIN_MS', 0, 60_000),
    stopMs: number(env, 'STOP_MS', 5_000, 60_000),
  };
}

function number(env, name, otherwise, max) {
  const text = env[name];
  if (text === undefined || text === '') return otherwise;
  if (!/^[0-9]{1,9}$/.test(text) || Number(text) > max) {
    throw new SettingError(`cannot use ${name}='${text}': not a whole number from 0 to ${max}`);
  }
  return Number(text);
}

function secret(env, warn) {
  const given = env.SESSION_SECRET_FILE ? fromFile(env.SESSION_SECRET_FILE) : env.SESSION_SECRET;
  if (given === 'random') {
    warn('session secret drawn at random: sessions end with this process, and other backends refuse them');
    return crypto.randomBytes(32);
  }
  if (!given || Buffer.byteLength(given) < SECRET_BYTES) {
    throw new SettingError(
      `cannot sign sessions: set SESSION_SECRET (or SESSION_SECRET_FILE) to ${SECRET_BYTES} bytes or more, ` +
        "the same for all backends, or to 'random' for one backend alone",
    );
  }
  return Buffer.from(given);
}

function fromFile(path) {
  try {
    return fs.readFileSync(path, 'utf8').trim();
  } catch (err) {
    throw new SettingError(`cannot read SESSION_SECRET_FILE '${path}': ${err.code ?? err.message}`);
  }
}

module.exports = { SettingError, read };
