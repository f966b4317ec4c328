import { ApiError } from "./errors";
import type {
  AuditPage,
  Checkpoints,
  CreateOrder,
  DeleteOrder,
  Demo,
  Order,
  OrderPage,
  OrderStatus,
  OrderSummary,
  OrderTransitions,
  PhiField,
  Relationship,
  RelationshipPage,
  SessionInfo,
  StatusChange,
  Transition,
  VerifyReport,
} from "./types";

/** Who calls, and where. The token lives in memory alone: nothing here writes it anywhere. */
export interface Caller {
  token: string;
  territory?: string;
}

export interface ListFilter {
  status: OrderStatus[];
}

type Query = Record<string, string | number | undefined>;

/** One call of the gateway; answers the `data` of a success, throws `ApiError` for everything else. */
async function call<T>(
  caller: Caller | null,
  method: string,
  path: string,
  options: { query?: Query; body?: unknown; key?: string; signal?: AbortSignal } = {},
): Promise<T> {
  const headers = new Headers({ Accept: "application/json" });
  if (caller) headers.set("Authorization", `Bearer ${caller.token}`);
  if (caller?.territory) headers.set("Territory-Id", caller.territory);
  if (options.body !== undefined) headers.set("Content-Type", "application/json");
  if (options.key) headers.set("Idempotency-Key", options.key);

  let response: Response;
  try {
    response = await fetch(path + search(options.query), {
      method,
      headers,
      body: options.body === undefined ? null : JSON.stringify(options.body),
      signal: options.signal ?? null,
      // PHI must not end up in the browser's cache on disk.
      cache: "no-store",
      credentials: "omit",
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError("NETWORK", 0);
  }
  const body: unknown = await response.json().catch(() => null);
  if (response.ok && isObject(body) && body["status"] === "success") return body["data"] as T;
  throw failure(response, body);
}

function failure(response: Response, body: unknown): ApiError {
  const error = isObject(body) && isObject(body["error"]) ? body["error"] : {};
  const fallback =
    response.status === 401 ? "UNAUTHENTICATED" : response.status === 429 ? "RATE_LIMITED" : "HTTP";
  const retryAfter = Number(response.headers.get("Retry-After") ?? "");
  return new ApiError(
    typeof error["code"] === "string" ? error["code"] : fallback,
    response.status,
    isObject(error["details"]) ? error["details"] : {},
    response.headers.get("X-Request-Id"),
    Number.isFinite(retryAfter) && retryAfter > 0 ? retryAfter : null,
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function search(query: Query = {}): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined);
  if (given.length === 0) return "";
  return `?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}`;
}

const order = (id: string) => `/api/v1/orders/${encodeURIComponent(id)}`;

export const demo = (): Promise<Demo> => call(null, "GET", "/demo");

export const demoSignIn = (
  role: string,
): Promise<{ token: string; user_id: string; role: string; expires_at: string }> =>
  call(null, "POST", "/demo/sign-in", { body: { role } });

export const session = (token: string): Promise<SessionInfo> => call({ token }, "GET", "/api/v1/session");

export const listOrders = (
  caller: Caller,
  filter: ListFilter,
  cursor: string | null,
  limit: number,
  fields: PhiField[],
  signal?: AbortSignal,
): Promise<OrderPage> =>
  call(caller, "GET", "/api/v1/orders", {
    query: {
      status: filter.status.length > 0 ? filter.status.join(",") : undefined,
      cursor: cursor ?? undefined,
      limit,
      fields: fields.join(","),
    },
    signal,
  });

/** `fields` absent: all that the role may see. Every call is an entry in the audit. */
export const getOrder = (
  caller: Caller,
  id: string,
  fields?: PhiField[],
  signal?: AbortSignal,
): Promise<Order> => call(caller, "GET", order(id), { query: { fields: fields?.join(",") }, signal });

export const createOrder = (caller: Caller, request: CreateOrder): Promise<OrderSummary> => {
  const { idempotency_key: key, ...body } = request;
  return call(caller, "POST", "/api/v1/orders", { body, key: key ?? undefined });
};

export const changeStatus = (caller: Caller, id: string, change: StatusChange): Promise<OrderSummary> =>
  call(caller, "PUT", `${order(id)}/status`, { body: change });

export const deleteOrder = (caller: Caller, id: string, request: DeleteOrder): Promise<OrderSummary> =>
  call(caller, "DELETE", order(id), { body: request });

export const transitions = (caller: Caller, id: string): Promise<Transition[]> =>
  call(caller, "GET", `${order(id)}/transitions`);

/** Of up to 100 orders at once; orders that are gone are left out. */
export const transitionsOf = (caller: Caller, ids: string[]): Promise<OrderTransitions[]> =>
  call(caller, "GET", "/api/v1/orders/transitions", { query: { ids: ids.join(",") } });

export const relationships = (
  caller: Caller,
  { after, ...query }: { patient_id?: string; after?: Relationship | null; limit?: number },
): Promise<RelationshipPage> =>
  call(caller, "GET", "/api/v1/relationships", {
    query: { ...query, "after.patient_id": after?.patient_id, "after.provider_id": after?.provider_id },
  });

export const audit = (
  caller: Caller,
  query: { order_id?: string; user_id?: string; from?: string; after?: number; limit: number },
): Promise<AuditPage> => call(caller, "GET", "/api/v1/audit", { query });

export const disclosures = (
  caller: Caller,
  query: { patient_id: string; after?: number; limit: number },
): Promise<AuditPage> => call(caller, "GET", "/api/v1/disclosures", { query });

export const verifyAudit = (caller: Caller): Promise<VerifyReport> =>
  call(caller, "POST", "/api/v1/audit/verify", { body: {} });

export const checkpoint = (caller: Caller): Promise<Checkpoints> =>
  call(caller, "POST", "/api/v1/checkpoints");
