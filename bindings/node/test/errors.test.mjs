// The one error, its table, and what is said when there is no binary.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';

import { ERROR_TABLE, KeyRefusedError, MedorderError } from 'medorder';

import { refusal, request, world } from './support/world.mjs';

const require = createRequire(import.meta.url);
const { load, native } = require('../dist/native.cjs');
const { platform } = require('../dist/platform.cjs');

test('the table is the one of the engine', () => {
  const engine = native.errorTable().map(([code, number, kind, retryable, http_status]) => {
    return { code, number, kind, retryable, http_status };
  });
  assert.deepEqual(ERROR_TABLE, engine);
  assert.ok(engine.length >= 20);
});

test('an error has code, number, kind, details and says whether to try again', async (t) => {
  const { session } = await world(t);
  const { id } = await session.createOrder(request);
  const error = await refusal(session.updateStatus(id, { status: 'completed' }));
  assert.ok(error instanceof MedorderError && error instanceof Error);
  assert.equal(error.name, 'MedorderError');
  assert.equal(error.message, 'an order that is pending_verification cannot become completed: state');
  const { code, number, kind, retryable, details } = error;
  assert.deepEqual({ code, number, kind, retryable }, {
    code: 'INVALID_STATUS_TRANSITION',
    number: 1002,
    kind: 'invalid',
    retryable: false,
  });
  assert.deepEqual(details.allowed, ['verified', 'rejected']);
  assert.equal(details.why, 'state');
  assert.deepEqual(JSON.parse(JSON.stringify(error)), { status: 'error', error: { code, message: error.message, details } });
});

test('the stack of an error names the caller', async (t) => {
  const { session } = await world(t);
  async function theCaller() {
    await session.order('01890000-0000-7000-8000-000000000000');
  }
  assert.match((await refusal(theCaller())).stack, /at async theCaller/);
});

test('CommonJS and modules have the same classes', () => {
  const cjs = require('medorder');
  assert.equal(cjs.MedorderError, MedorderError);
  assert.deepEqual(Object.keys(cjs).sort(), [
    'ERROR_TABLE',
    'KeyRefusedError',
    'MedorderError',
    'OrderService',
    'generateKeyFile',
  ]);
});

test('instanceof holds for another copy of the package, and for nothing else', () => {
  const path = require.resolve('../dist/errors.cjs');
  const own = require.cache[path];
  delete require.cache[path];
  const other = require(path);
  require.cache[path] = own;
  assert.notEqual(other.MedorderError, MedorderError);
  assert.ok(new other.MedorderError('CLOSED', 'x') instanceof MedorderError);
  assert.ok(new other.KeyRefusedError() instanceof KeyRefusedError);
  assert.ok(!(new Error('x') instanceof MedorderError));
  assert.ok(!(new MedorderError('CLOSED', 'x') instanceof KeyRefusedError));
  assert.ok(!(null instanceof MedorderError));
  class Own extends MedorderError {}
  assert.ok(!(new MedorderError('CLOSED', 'x') instanceof Own));
  assert.ok(new Own('CLOSED', 'x') instanceof MedorderError);
});

test('a platform without a binary is told which package is missing', () => {
  const missing = (path) => {
    throw Object.assign(new Error(`Cannot find module '${path}'`), { code: 'MODULE_NOT_FOUND' });
  };
  assert.throws(() => load('darwin-arm64', '0.1.0', missing), (error) => {
    assert.equal(error.code, 'ERR_MEDORDER_BINARY');
    assert.match(error.message, /@medorder\/binding-darwin-arm64 is missing .*npm install @medorder\/binding-darwin-arm64@0\.1\.0/);
    return error.cause.code === 'MODULE_NOT_FOUND';
  });
  const broken = (path) => {
    throw path.startsWith('@') ? Object.assign(new Error('x'), { code: 'MODULE_NOT_FOUND' }) : new Error('GLIBC_2.99 not found');
  };
  assert.throws(() => load('linux-x64-gnu', '0.1.0', broken), (error) => error.cause.message === 'GLIBC_2.99 not found');
  assert.throws(() => load('linux-x64-gnu', '0.2.0', () => native), /binary of medorder is of version 0\.1\.0, the package of 0\.2\.0/);
  assert.equal(platform('linux', 'x64', false), 'linux-x64-gnu');
  assert.equal(platform('linux', 'arm64', true), 'linux-arm64-musl');
  assert.equal(platform('win32', 'x64'), 'win32-x64-msvc');
  assert.equal(platform('darwin', 'arm64'), 'darwin-arm64');
});

test('the versions of package, wrapper and engine are one', () => {
  const { version } = require('medorder/package.json');
  assert.equal(require('../dist/native.cjs').VERSION, version);
  assert.equal(native.version(), version);
});
