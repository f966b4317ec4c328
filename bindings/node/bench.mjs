// What the face costs: `node bench.mjs [--orders N] [--in-flight N] [--synchronous normal|full] [--db PATH]`.
// Prints JSON: microseconds per create and per get, the median of single calls and the mean of many in flight.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { OrderService, generateKeyFile } from 'medorder';

const { values } = parseArgs({
  options: {
    orders: { type: 'string', default: '5000' },
    'in-flight': { type: 'string', default: '64' },
    synchronous: { type: 'string', default: 'normal' },
    db: { type: 'string' },
  },
});
const [orders, inFlight] = [Number(values.orders), Number(values['in-flight'])];
const folder = mkdtempSync(join(tmpdir(), 'medorder-bench-'));
const key = join(folder, 'root.key');
await generateKeyFile(key);
const service = await OrderService.open(values.db ?? join(folder, 'orders.db'), { keyFile: key }, {
  synchronous: values.synchronous,
});
const everything = ['requester', 'verifier', 'fulfiller', 'auditor', 'administrator'];
const actor = { user_id: 'u-bench', roles: everything, territories: '*', purpose: 'operations' };
const admin = service.admin(actor);
await admin.registerTerritory('north');
await admin.registerRelationship('north', 'p-1', 'npi-1');
const session = service.session(actor, 'north');

const request = {
  patient_id: 'p-1',
  provider_id: 'npi-1',
  service_type: 'MRI brain without contrast',
  diagnosis_codes: ['R51.9', 'G43.909'],
  notes: 'anxious, needs a quiet room; prior study two years ago',
};
const ids = [];
const create = async () => void ids.push((await session.createOrder(request)).id);
const get = async (n) => void (await session.order(ids[n % ids.length]));

// Both warm, and at least one order there.
for (let n = 0; n < 500; n += 1) await create();
for (let n = 0; n < 500; n += 1) await get(n);

const result = {
  orders,
  in_flight: inFlight,
  synchronous: values.synchronous,
  create_alone_us: await alone(create),
  get_alone_us: await alone(get),
  create_in_flight_us: await together(create),
  get_in_flight_us: await together(get),
};
await service.close();
rmSync(folder, { recursive: true });
console.log(JSON.stringify(result));

/** The median of calls made one after the other. */
async function alone(call) {
  const times = [];
  for (let n = 0; n < orders; n += 1) {
    const start = process.hrtime.bigint();
    await call(n);
    times.push(Number(process.hrtime.bigint() - start));
  }
  times.sort((a, b) => a - b);
  return round(times[Math.floor(times.length / 2)]);
}

/** Time by calls, with a fixed number of them under way. */
async function together(call) {
  let next = 0;
  const start = process.hrtime.bigint();
  const lane = async () => {
    while (next < orders) await call(next++);
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
  return round(Number(process.hrtime.bigint() - start) / orders);
}

function round(nanoseconds) {
  return Math.round(nanoseconds / 100) / 10;
}
