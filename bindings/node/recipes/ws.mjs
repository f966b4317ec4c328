// Live changes over a WebSocket with ws 8: the client names its last cursor in `?since=` and misses nothing.
// `actorOf` is yours: it says whom your software has authenticated, from whatever the request carries.

import { WebSocketServer } from 'ws';
import { MedorderError } from 'medorder';

export function ordersFeed(server, service, actorOf) {
  const sockets = new WebSocketServer({ server });
  sockets.on('connection', async (socket, request) => {
    const gone = new AbortController();
    socket.once('close', () => gone.abort()).once('error', () => socket.terminate());
    try {
      const { pathname, searchParams } = new URL(request.url, 'ws://host');
      const session = service.session(await actorOf(request), searchParams.get('territory') ?? '');
      const order_id = /^\/orders\/(.+)$/.exec(pathname)?.[1];
      const events = session.subscribe({ order_id, since: searchParams.get('since'), signal: gone.signal });
      for await (const event of events) {
        // The next one is fetched when this one is on its way: a slow client holds nothing up but itself.
        await new Promise((resolve) => socket.send(JSON.stringify(event), resolve));
      }
    } catch (error) {
      if (gone.signal.aborted) return;
      // 1008 is a refusal by rule, 1011 a fault of the server.
      if (error instanceof MedorderError) socket.close(error.number < 5000 ? 1008 : 1011, error.code);
      else socket.close(1011, 'INTERNAL');
    }
  });
  return sockets;
}
