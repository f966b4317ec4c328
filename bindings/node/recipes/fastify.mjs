// Orders over HTTP with Fastify 5: the service lives as long as the server, an error becomes its status and body.
// `actorOf` is yours: it says whom your software has authenticated, from whatever the request carries.

import Fastify from 'fastify';
import { ERROR_TABLE, MedorderError } from 'medorder';

export function ordersApi(service, actorOf, options = {}) {
  const app = Fastify({ logger: false, ...options });
  app.decorateRequest('orders', null);
  app.addHook('onRequest', async (request) => {
    request.orders = service.session(await actorOf(request), String(request.headers['territory-id'] ?? ''));
  });
  app.addHook('onClose', () => service.close());
  app.setErrorHandler((error, request, reply) => {
    if (!(error instanceof MedorderError)) return reply.send(error);
    const { http_status } = ERROR_TABLE.find(({ code }) => code === error.code);
    return reply.status(http_status).send(error.toJSON());
  });
  const data = (value) => ({ status: 'success', data: value });

  app.post('/api/v1/orders', async ({ orders, body }, reply) => {
    reply.status(201);
    return data(await orders.createOrder(body));
  });
  app.put('/api/v1/orders/:id/status', async ({ orders, params, body }) => data(await orders.updateStatus(params.id, body)));
  app.get('/api/v1/orders/:id', async ({ orders, params }) => data(await orders.order(params.id)));
  app.get('/api/v1/orders', async ({ orders, query: { status, cursor } }) => {
    return data(await orders.orders({ filter: { status: status && [status] }, cursor }));
  });
  return app;
}
