import { render } from "@testing-library/react";
import type { ReactNode } from "react";
import { vi } from "vitest";

import type { Order, OrderEvent, OrderStatus, Transition } from "../src/api/types";
import { STATUSES } from "../src/api/types";
import { LiveProvider } from "../src/live/live";
import { SessionProvider, type Session } from "../src/session/session";
import { TerritoryProvider } from "../src/session/territory";
import { NoticesProvider } from "../src/ui/notices";

export const TERRITORY = "north";

export function orderId(number: number): string {
  return `01970000-0000-7000-8000-${String(number).padStart(12, "0")}`;
}

export function anOrder(number: number, more: Partial<Order> = {}): Order {
  return {
    id: orderId(number),
    territory_id: TERRITORY,
    patient_id: "patient-1",
    provider_id: "npi-1",
    status: "verified",
    version: 2,
    created_at: "2026-03-01T08:00:00.000000Z",
    updated_at: "2026-03-01T09:00:00.000000Z",
    service_type: "MRI brain",
    disclosed: ["service_type"],
    withheld: [],
    ...more,
  };
}

export function anEvent(number: number, version: number, status: OrderStatus, more: Partial<OrderEvent> = {}): OrderEvent {
  return {
    type: "ORDER_STATUS_CHANGED",
    order_id: orderId(number),
    territory_id: TERRITORY,
    old_status: version === 1 ? null : "pending_verification",
    new_status: status,
    timestamp: `2026-03-01T10:00:0${version}.000000Z`,
    context: { user_id: "u-2" },
    version,
    cursor: `c-${number}-${version}`,
    ...more,
  };
}

/** Every status, refused for its state, but for those given. */
export function transitions(...given: Transition[]): Transition[] {
  return STATUSES.map(
    (status) => given.find((step) => step.status === status) ?? { status, allowed: false, why: "state", needs: [] },
  );
}

export const session: Session = {
  user_id: "u-1",
  roles: ["fulfiller"],
  territories: [TERRITORY],
  purpose: "treatment",
  expires_at: null,
  permissions: ["order.view", "order.create", "order.fulfil", "order.cancel", "order.verify"],
  fields: ["service_type", "diagnosis_codes", "notes"],
  token: "token-1",
  generation: 1,
};

/** Draws something inside all that the page has around it. */
export function draw(what: ReactNode, as: Partial<Session> = {}) {
  return render(
    <SessionProvider initial={{ ...session, ...as }}>
      <NoticesProvider>
        <TerritoryProvider known={[]}>
          <LiveProvider>{what}</LiveProvider>
        </TerritoryProvider>
      </NoticesProvider>
    </SessionProvider>,
  );
}

/** A live connection on which nothing happens. */
class SilentSocket {
  onmessage = null;
  onclose = null;
  close() {}
}

export interface Call {
  method: string;
  path: string;
  query: URLSearchParams;
  headers: Headers;
  body: unknown;
}
type Reply = { data: unknown } | { code: string; http: number; details?: unknown };

/** Stands in for the gateway; answers come from `reply`, and what was asked is kept. */
export function gateway(reply: (call: Call) => Reply | Promise<Reply>): Call[] {
  const calls: Call[] = [];
  vi.stubGlobal("WebSocket", SilentSocket);
  vi.stubGlobal("fetch", async (address: string, options: RequestInit) => {
    const url = new URL(address, "http://gateway");
    const call: Call = {
      method: options.method ?? "GET",
      path: url.pathname,
      query: url.searchParams,
      headers: new Headers(options.headers),
      body: options.body ? JSON.parse(String(options.body)) : undefined,
    };
    calls.push(call);
    const answer = await reply(call);
    if ("data" in answer) return Response.json({ status: "success", data: answer.data });
    const error = { code: answer.code, message: "", details: answer.details ?? {} };
    return Response.json({ status: "error", error }, { status: answer.http });
  });
  return calls;
}
