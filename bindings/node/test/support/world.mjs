// A database with a territory and a relationship, and who acts on it.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { OrderService, generateKeyFile } from 'medorder';

/** The folder of the package. */
export const PACKAGE = join(import.meta.dirname, '../..');

/** Somebody with every role. */
export const everyone = {
  user_id: 'u-all',
  roles: ['requester', 'verifier', 'fulfiller', 'auditor', 'administrator'],
  territories: '*',
  purpose: 'treatment',
};

/** A request with a known secret in every field. */
export const request = {
  patient_id: 'p-1',
  provider_id: 'npi-1',
  service_type: 'SECRET-service',
  diagnosis_codes: ['SECRET-code'],
  notes: 'SECRET-notes',
  insurance: { carrier: 'SECRET-carrier', policy_number: 'SECRET-policy' },
};

export const verified = { status: 'verified', verification_data: { verified_by: 'u-7', verification_method: 'phone' } };

/** A folder that goes when the test ends. */
export function folder(t) {
  const path = mkdtempSync(join(tmpdir(), 'medorder-test-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** An open service with the territory `north` and the pair `p-1 npi-1`. */
export async function world(t, { keys, ...options } = {}) {
  const place = folder(t);
  const [url, keyFile] = [join(place, 'orders.db'), join(place, 'root.key')];
  await generateKeyFile(keyFile);
  const service = await OrderService.open(url, keys ?? { keyFile }, options);
  t.after(() => service.close());
  const admin = service.admin(everyone);
  await admin.registerTerritory('north');
  await admin.registerRelationship('north', 'p-1', 'npi-1');
  return { place, url, keyFile, service, admin, session: service.session(everyone, 'north') };
}

/** Runs a program of Node in a process of its own; `source` is a module, or CommonJS with `cjs`. */
export function program(t, source, { cjs = false, args = [], flags = [], limit = 60_000 } = {}) {
  const path = join(PACKAGE, 'test', `.program-${process.pid}-${Math.random().toString(36).slice(2)}.${cjs ? 'cjs' : 'mjs'}`);
  // Beside the tests, so that it finds the package by its name.
  writeFileSync(path, source);
  t.after(() => rmSync(path, { force: true }));
  return run(process.execPath, [...flags, path, ...args], { limit });
}

/** Runs a command to its end. */
export function run(command, args, { cwd, env, limit = 60_000 } = {}) {
  const started = performance.now();
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env: env ?? process.env, timeout: limit, killSignal: 'SIGKILL' });
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text) => (stderr += text));
    child.on('error', reject);
    child.on('close', (code, signal) => {
      resolve({ code, signal, stdout, stderr, took: performance.now() - started });
    });
  });
}

/** The error that a promise rejects with. */
export async function refusal(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error('it was not refused');
}
