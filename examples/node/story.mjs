// The life of an order, from an empty folder: `npm install medorder`, then `node story.mjs`.

import { existsSync } from 'node:fs';
import { MedorderError, OrderService, generateKeyFile } from 'medorder';

// Once. Whoever loses this file loses the data.
if (!existsSync('root.key')) await generateKeyFile('root.key');
const service = await OrderService.open('orders.db', { keyFile: 'root.key' });

// Whom your software has authenticated. One person with every role is for examples alone.
const roles = ['requester', 'verifier', 'fulfiller', 'auditor', 'administrator'];
const actor = { user_id: 'u-7', roles, territories: ['north'], purpose: 'treatment' };
const admin = service.admin(actor);
await admin.registerTerritory('north');
await admin.registerRelationship('north', 'p-1', 'npi-17');

const session = service.session(actor, 'north');
const events = session.subscribe();
await events.opened();

const order = await session.createOrder({
  patient_id: 'p-1',
  provider_id: 'npi-17',
  service_type: 'MRI brain',
  diagnosis_codes: ['R51.9'],
  notes: 'anxious',
});
const verification_data = { verified_by: 'u-7', verification_method: 'phone' };
await session.updateStatus(order.id, { status: 'verified', verification_data, expected_version: 1 });
await session.updateStatus(order.id, { status: 'in_progress' });
await session.updateStatus(order.id, { status: 'completed', reason: 'images sent' });

for await (const event of events) {
  console.log(`event: ${event.old_status ?? 'new'} -> ${event.new_status}`);
  if (event.new_status === 'completed') break;
}

const { orders } = await session.orders({ filter: { status: ['completed'] }, fields: ['service_type', 'notes'] });
for (const { version, service_type, notes } of orders) console.log(`listed: v${version}, ${service_type}, ${notes}`);

try {
  await session.createOrder({ patient_id: 'p-1', provider_id: 'npi-17', service_type: '', diagnosis_codes: [] });
} catch (error) {
  if (!(error instanceof MedorderError)) throw error;
  console.log(`refused: ${error.code}, ${error.message}`);
}

const { records } = await session.audit({ filter: { order_id: order.id } });
for (const { user_id, action, fields } of records) console.log(`audit: ${user_id} ${action} [${fields}]`);
console.log(`verified: ${(await session.verifyAudit()).verdict}`);
await service.close();
