// The recipes, over loopback.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { test } from 'node:test';

import { WebSocket } from 'ws';

import { ordersApi } from '../recipes/fastify.mjs';
import { ordersFeed } from '../recipes/ws.mjs';
import { everyone, refusal, request, verified, world } from './support/world.mjs';

/** Who a token says one is. */
async function actorOf({ headers }) {
  if (headers.authorization === 'Bearer all') return everyone;
  return { ...everyone, roles: [] };
}

test('Fastify: orders over HTTP, errors as status and body, closed with the server', async (t) => {
  const { service, session } = await world(t);
  const app = ordersApi(service, actorOf);
  t.after(() => app.close());
  const base = await app.listen({ port: 0, host: '127.0.0.1' });
  const call = async (method, path, body, token = 'all') => {
    const headers = { authorization: `Bearer ${token}`, 'territory-id': 'north' };
    if (body) headers['content-type'] = 'application/json';
    const answer = await fetch(`${base}/api/v1/orders${path}`, { method, headers, body: body && JSON.stringify(body) });
    return { status: answer.status, ...(await answer.json().then((json) => ({ json }))) };
  };
  const made = await call('POST', '', request);
  assert.deepEqual([made.status, made.json.status, made.json.data.version], [201, 'success', 1]);
  const { id } = made.json.data;
  assert.equal((await call('PUT', `/${id}/status`, verified)).json.data.status, 'verified');
  assert.equal((await call('GET', `/${id}`)).json.data.notes, 'SECRET-notes');
  const list = await call('GET', '?status=verified');
  assert.deepEqual(list.json.data.orders.map((order) => order.id), [id]);

  const late = await call('PUT', `/${id}/status`, { status: 'completed' });
  assert.deepEqual([late.status, late.json.error.code, late.json.error.details.allowed], [
    409,
    'INVALID_STATUS_TRANSITION',
    ['in_progress'],
  ]);
  const wrong = await call('POST', '', { patient_id: 'p-1' });
  assert.deepEqual([wrong.status, wrong.json.error.details.errors.length], [400, 3]);
  assert.equal((await call('GET', `/${id}`, undefined, 'none')).status, 403);
  await app.close();
  assert.equal((await refusal(session.orders())).code, 'CLOSED');
});

test('ws: changes over a WebSocket, resumed from a cursor, refused by rule', async (t) => {
  const { service, session } = await world(t);
  const server = createServer();
  const sockets = ordersFeed(server, service, actorOf);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.after(() => (sockets.close(), server.close()));
  const connect = (path, token = 'all') => {
    const socket = new WebSocket(`ws://127.0.0.1:${server.address().port}${path}`, { headers: { authorization: `Bearer ${token}` } });
    t.after(() => socket.terminate());
    return socket;
  };
  const next = async (socket) => JSON.parse((await once(socket, 'message'))[0]);

  const first = await session.createOrder(request);
  const second = await session.createOrder(request);
  const socket = connect('/orders?territory=north&since=');
  const event = await next(socket);
  assert.equal(event.order_id, first.id);
  socket.close();
  assert.equal((await next(connect(`/orders?territory=north&since=${event.cursor}`))).order_id, second.id);
  const one = next(connect(`/orders/${second.id}?territory=north&since=${event.cursor}`));
  assert.equal((await one).order_id, second.id);

  for (const [path, token, code, reason] of [
    ['/orders?territory=north', 'none', 1008, 'ACCESS_DENIED'],
    ['/orders?territory=south', 'all', 1008, 'TERRITORY_NOT_FOUND'],
    ['/orders?territory=north&since=x', 'all', 1008, 'INVALID_CURSOR'],
  ]) {
    const [closed, text] = await once(connect(path, token), 'close');
    assert.deepEqual([closed, text.toString()], [code, reason]);
  }
  const open = connect('/orders?territory=north');
  await once(open, 'open');
  const closed = once(open, 'close');
  await service.close();
  assert.deepEqual((await closed).map(String), ['1011', 'CLOSED']);
});
