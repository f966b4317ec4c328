// A gateway of its own for a file of tests: started, killed and started again on the same port and folder.

import { spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const web = join(dirname(fileURLToPath(import.meta.url)), '../..');
const program = process.env.MEDORDER_GATEWAY ?? join(web, '../../../target/debug/medorder-gateway');
const dist = join(web, 'dist');

const READY = /^open +http:\/\/([\d.]+):(\d+)$/m;

/** The people of the demo, one a role. */
const USERS = {
  ...{ requester: 'd.amari', verifier: 'v.okafor', fulfiller: 'f.lindqvist' },
  ...{ auditor: 'a.moreau', administrator: 's.tanaka' },
};

export class Gateway {
  folder = mkdtempSync(join(tmpdir(), 'medorder-e2e-'));
  port = 0;
  #child = null;
  #output = '';

  constructor() {
    // Whatever ends the tests, nothing of theirs stays behind.
    process.once('exit', () => {
      this.#child?.kill('SIGKILL');
      rmSync(this.folder, { recursive: true, force: true });
    });
  }

  get origin() {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Starts it on the port it had before, or on another one, and waits until it answers. */
  async start({ elsewhere = false } = {}) {
    if (!existsSync(program)) throw new Error(`${program} is not built: cargo build --package medorder-gateway`);
    if (!existsSync(dist)) throw new Error(`${dist} is not built: npm run build`);
    const port = elsewhere ? 0 : this.port;
    const child = spawn(
      program,
      [
        ...['demo', '--listen', `127.0.0.1:${port}`, '--folder', this.folder, '--page', dist],
        ...['--user-rate', '10000', '--refused-rate', '10000'],
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    this.#child = child;
    this.#output = '';
    const found = await new Promise((resolve, reject) => {
      const hear = (text) => {
        this.#output += text;
        const ready = READY.exec(this.#output);
        if (ready) resolve(Number(ready[2]));
      };
      child.stdout.setEncoding('utf8').on('data', hear);
      child.stderr.setEncoding('utf8').on('data', hear);
      child.once('error', reject);
      child.once('exit', (code) => reject(new Error(`the gateway ended (${code}):\n${this.#output}`)));
    });
    if (!elsewhere) this.port = found;
    return `http://127.0.0.1:${found}`;
  }

  /** As a power cut would: no farewell, no last write. */
  async kill() {
    const child = this.#child;
    this.#child = null;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
  }

  async end() {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** From the next start on no token signed before is good. */
  changeSecret() {
    writeFileSync(join(this.folder, 'hs256.secret'), Buffer.alloc(32, 7));
  }

  /** A token as the host's identity provider would sign it, good for so many seconds. */
  token(roles, territories, { user = USERS[roles[0]], seconds = 3600 } = {}) {
    const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const claims = {
      ...{ sub: user, roles, territories, purpose: 'treatment', aud: 'medorder' },
      exp: Math.floor(Date.now() / 1000) + seconds,
    };
    const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`;
    const secret = readFileSync(join(this.folder, 'hs256.secret'));
    return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
  }

  /** Calls the REST interface as somebody of this role, beside every window. */
  as(role, territory, origin = this.origin) {
    return new Caller(origin, this.token([role], [territory]), territory);
  }
}

class Caller {
  #origin;
  #headers;

  constructor(origin, token, territory) {
    this.#origin = origin;
    this.#headers = { Authorization: `Bearer ${token}`, 'Territory-Id': territory, 'Content-Type': 'application/json' };
  }

  async call(method, path, body) {
    const response = await fetch(`${this.#origin}/api/v1${path}`, {
      ...{ method, headers: this.#headers },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const answer = await response.json();
    if (answer.status !== 'success') throw new Error(`${method} ${path}: ${JSON.stringify(answer)}`);
    return answer.data;
  }

  /** The orders with a status, the newest first, decrypting nothing. */
  async orders(status, limit = 25) {
    const page = await this.call('GET', `/orders?fields=&limit=${limit}${status ? `&status=${status}` : ''}`);
    return page.orders;
  }

  /** Someone who may be ordered for, and by whom. */
  async pair(at = 0) {
    const page = await this.call('GET', '/relationships?limit=50');
    return page.relationships[at];
  }

  async create(contents = {}, at = 0) {
    const pair = await this.pair(at);
    const request = { ...pair, service_type: 'Chest X-ray', diagnosis_codes: ['R05.9'], ...contents };
    return this.call('POST', '/orders', request);
  }

  move(order, status, more = {}) {
    return this.call('PUT', `/orders/${order.id}/status`, { status, ...more });
  }

  verify(order) {
    const verification_data = { verified_by: 'v.okafor', verification_method: 'phone' };
    return this.move(order, 'verified', { verification_data });
  }
}
