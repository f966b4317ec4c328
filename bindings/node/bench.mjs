// What a call costs through this face: `node bench.mjs [CALLS] [--callers 64] [--synchronous normal|full] [--db URL]`.
// Prints lines of name and microseconds: the median of calls one after the other, and the whole time by the number of
// calls with many callers at once. `throughput --faces` compares them with the Rust API.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { OrderService, generateKeyFile } from 'medorder';

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    callers: { type: 'string', default: '64' },
    synchronous: { type: 'string', default: 'normal' },
    db: { type: 'string' },
  },
});
const [count, callers] = [Number(positionals[0] ?? 4000), Number(values.callers)];

const folder = mkdtempSync(join(tmpdir(), 'medorder-bench-'));
const keyFile = join(folder, 'root.key');
await generateKeyFile(keyFile);
const url = values.db ?? join(folder, 'orders.db');
const service = await OrderService.open(url, { keyFile }, { synchronous: values.synchronous });
const actor = { user_id: 'u-1', roles: ['requester', 'administrator'], territories: '*', purpose: 'treatment' };
const admin = service.admin(actor);
await admin.registerTerritory('north');
await admin.registerRelationship('north', 'p-1', 'npi-1');
const session = service.session(actor, 'north');

const request = {
  patient_id: 'p-1',
  provider_id: 'npi-1',
  service_type: 'MRI brain series 001',
  diagnosis_codes: ['G43.01', 'G43.11'],
  notes: 'claustrophobic, prefers mornings; '.repeat(6).slice(0, 200),
  insurance: {
    carrier: 'Prairie Mutual Health Insurance Company',
    policy_number: 'POL-00010001',
    group_number: 'G001',
  },
};
const ids = [];
const create = async () => void ids.push((await session.createOrder(request)).id);
const get = async (n) => void (await session.order(ids[n % ids.length]));

console.log(`create ${await middle(create)}`);
console.log(`get ${await middle(get)}`);
console.log(`create ${callers} ${await together(create)}`);
console.log(`get ${callers} ${await together(get)}`);
await service.close();
rmSync(folder, { recursive: true });

/** The median microseconds of a call. */
async function middle(call) {
  const times = [];
  for (let n = 0; n < count; n += 1) {
    const started = process.hrtime.bigint();
    await call(n);
    times.push(Number(process.hrtime.bigint() - started) / 1000);
  }
  return times.sort((a, b) => a - b)[count >> 1];
}

/** Microseconds a call with several callers, by the whole time. */
async function together(call) {
  const started = process.hrtime.bigint();
  const caller = async (first) => {
    for (let n = first; n < count; n += callers) await call(n);
  };
  await Promise.all(Array.from({ length: callers }, (_, first) => caller(first)));
  return Number(process.hrtime.bigint() - started) / 1000 / count;
}
