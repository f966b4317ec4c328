import { act, fireEvent, render, screen, waitFor, within } from "@testing-library/react";
import { beforeEach, expect, it, vi } from "vitest";

import { App } from "../src/App";
import { SessionProvider } from "../src/session/session";
import { NoticesProvider } from "../src/ui/notices";
import { anEvent, anOrder, gateway, orderId, session, TERRITORY, transitions, type Call } from "./help";

class LiveSocket {
  static all: LiveSocket[] = [];
  onmessage: ((message: { data: unknown }) => void) | null = null;
  onclose: ((close: { code: number }) => void) | null = null;
  constructor(
    readonly url: string,
    readonly protocols: string[],
  ) {
    LiveSocket.all.push(this);
  }
  close() {}
  says(message: unknown) {
    act(() => this.onmessage?.({ data: JSON.stringify(message) }));
  }
}
const feed = () => LiveSocket.all.findLast((socket) => new URL(socket.url).pathname === "/orders")!;

let pages: unknown[];
let calls: Call[];

function answer(call: Call) {
  const { token: _token, generation: _generation, ...info } = session;
  const other = call.headers.get("Authorization")?.includes("other") ?? false;
  switch (`${call.method} ${call.path}`) {
    case "GET /demo":
      return { data: { territories: [TERRITORY], roles: ["fulfiller", "other"].map((role, at) => ({ role, user_id: `u-${at + 1}`, describes: "" })) } };
    case "POST /demo/sign-in":
      return { data: { token: `token-${(call.body as { role: string }).role}-${calls.length}` } };
    case "GET /api/v1/session":
      return { data: other ? { ...info, user_id: "u-2" } : info };
    case "GET /api/v1/orders":
      return { data: { orders: pages, next_cursor: null, feed_cursor: "f1" } };
    case "GET /api/v1/orders/transitions":
      return { data: call.query.get("ids")!.split(",").map((id) => ({ order_id: id, transitions: transitions() })) };
    case `GET /api/v1/orders/${orderId(9)}`:
      return { data: anOrder(9, { status: "pending_verification", version: 1, service_type: "Ultrasound" }) };
    case "GET /api/v1/relationships":
      return { data: { relationships: [{ patient_id: "patient-1", provider_id: "npi-1" }], next: null } };
    default:
      throw new Error(`unexpected ${call.method} ${call.path}`);
  }
}

async function signIn() {
  render(
    <SessionProvider>
      <NoticesProvider>
        <App />
      </NoticesProvider>
    </SessionProvider>,
  );
  fireEvent.click(await screen.findByRole("button", { name: /fulfiller/ }));
}

async function signedIn() {
  await signIn();
  await screen.findByRole("heading", { name: "Orders" });
  await screen.findAllByText("MRI brain");
}

beforeEach(() => {
  LiveSocket.all = [];
  pages = [anOrder(2), anOrder(1)];
  calls = gateway(answer);
  vi.stubGlobal("WebSocket", LiveSocket);
});

it("follows the territory from where the first page of the list ends", async () => {
  await signedIn();
  await waitFor(() => expect(feed()).toBeTruthy());
  expect(new URL(feed().url).search).toBe(`?territory=${TERRITORY}&since=f1`);
  expect(feed().protocols[1]).toMatch(/^bearer\.token-/);
  feed().says({ type: "SUBSCRIBED", territory_id: TERRITORY, order_id: null, cursor: "f1" });
  expect(screen.getByText("Live")).toBeTruthy();
});

it("goes back to where the list ends if the feed had to start before it", async () => {
  let send = () => {};
  calls = gateway(async (call) => {
    if (call.path === "/api/v1/orders") await new Promise<void>((resolve) => (send = resolve));
    return answer(call);
  });
  vi.stubGlobal("WebSocket", LiveSocket);
  await signIn();
  await waitFor(() => expect(feed()).toBeTruthy(), { timeout: 4_000 });
  expect(new URL(feed().url).searchParams.has("since")).toBe(false);
  feed().says({ type: "SUBSCRIBED", territory_id: TERRITORY, order_id: null, cursor: "f3" });
  feed().says(anEvent(9, 1, "pending_verification"));
  // The list was read before the feed began: what happened between the two is in neither.
  act(() => send());
  await screen.findAllByText("MRI brain");
  await waitFor(() => expect(new URL(feed().url).searchParams.get("since")).toBe("f1"));
  feed().says({ type: "SUBSCRIBED", territory_id: TERRITORY, order_id: null, cursor: "f1" });
  feed().says(anEvent(2, 3, "in_progress"));
  feed().says(anEvent(9, 1, "pending_verification"));
  expect(await screen.findByText("In progress", { selector: ".chip" })).toBeTruthy();
  expect(await screen.findByRole("button", { name: "Show 1 new order" })).toBeTruthy();
});

it("patches a row by an event, says it aloud, and reads no list again", async () => {
  await signedIn();
  await waitFor(() => expect(feed()).toBeTruthy());
  feed().says(anEvent(2, 3, "in_progress"));
  expect(await screen.findByText("In progress", { selector: ".chip" })).toBeTruthy();
  await waitFor(() =>
    expect(screen.getAllByRole("status").map((item) => item.textContent)).toContain("Order …00000002 is now in progress"),
  );
  expect(calls.filter((call) => call.path === "/api/v1/orders")).toHaveLength(1);
});

it("announces an order that has come to the status of the filter, and reads the list when asked", async () => {
  await signedIn();
  fireEvent.click(await screen.findByRole("radio", { name: "Verified" }));
  const lists = () => calls.filter((call) => call.method === "GET" && call.path === "/api/v1/orders").length;
  await waitFor(() => expect(lists()).toBe(2));
  feed().says(anEvent(9, 2, "in_progress"));
  expect(screen.queryByRole("button", { name: /that is now/ })).toBeNull();
  feed().says(anEvent(8, 2, "verified"));
  const chip = await screen.findByRole("button", { name: "Show 1 order that is now verified" });
  expect(lists()).toBe(2);
  fireEvent.click(chip);
  await waitFor(() => expect(lists()).toBe(3));
  await waitFor(() => expect(screen.queryByRole("button", { name: /that is now/ })).toBeNull());
});

it("announces a new order and shows it when asked, by reading that order alone", async () => {
  await signedIn();
  await waitFor(() => expect(feed()).toBeTruthy());
  feed().says(anEvent(9, 1, "pending_verification"));
  feed().says(anEvent(9, 1, "pending_verification"));
  const chip = await screen.findByRole("button", { name: "Show 1 new order" });
  expect(screen.queryByText("Ultrasound")).toBeNull();
  fireEvent.click(chip);
  expect(await screen.findByText("Ultrasound")).toBeTruthy();
  expect(screen.queryByRole("button", { name: /new order/ })).toBeNull();
  const first = screen.getAllByRole("row")[1]!;
  expect(within(first).getByText("Ultrasound")).toBeTruthy();
  expect(calls.filter((call) => call.path === `/api/v1/orders/${orderId(9)}`).map((call) => call.query.get("fields"))).toEqual([
    "service_type",
  ]);
});

it("loads the list anew when the server no longer knows the cursor", async () => {
  await signedIn();
  await waitFor(() => expect(feed()).toBeTruthy());
  pages = [anOrder(7, { service_type: "CT chest" })];
  const before = LiveSocket.all.length;
  act(() => feed().onclose?.({ code: 4400 }));
  expect(await screen.findByText("CT chest")).toBeTruthy();
  await waitFor(() => expect(LiveSocket.all.length).toBe(before + 1));
});

it("asks to sign in again over the page, and keeps what was typed", async () => {
  await signedIn();
  await waitFor(() => expect(feed()).toBeTruthy());
  location.hash = "#/orders/new";
  fireEvent(window, new HashChangeEvent("hashchange"));
  fireEvent.click(await screen.findByRole("button", { name: /patient-1/ }));
  fireEvent.change(screen.getByLabelText("Service"), { target: { value: "half an order" } });

  const old = feed();
  act(() => old.onclose?.({ code: 4401 }));
  const dialog = await screen.findByRole("dialog", { name: "Your session has ended" });
  fireEvent.click(within(dialog).getByRole("button", { name: /fulfiller/ }));
  await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
  expect(screen.getByLabelText<HTMLInputElement>("Service").value).toBe("half an order");
  // The feed comes back with the new token, where it was.
  expect(feed().protocols[1]).not.toBe(old.protocols[1]);
  expect(new URL(feed().url).searchParams.get("since")).toBe("f1");
});

it("starts afresh for somebody else, who must not see what the one before saw", async () => {
  await signedIn();
  await waitFor(() => expect(feed()).toBeTruthy());
  pages = [anOrder(7, { service_type: "CT chest" })];
  act(() => feed().onclose?.({ code: 4401 }));
  const dialog = await screen.findByRole("dialog", { name: "Your session has ended" });
  fireEvent.click(within(dialog).getByRole("button", { name: /other/ }));
  expect(await screen.findByText("CT chest")).toBeTruthy();
  expect(screen.queryByText("MRI brain")).toBeNull();
  expect(feed().protocols[1]).toContain("bearer.token-other");
});

it("leaves no token and no patient in addresses, titles or storage", async () => {
  await signedIn();
  const traces = [location.href, document.title, ...LiveSocket.all.map((socket) => socket.url)];
  traces.push(JSON.stringify({ ...localStorage }), JSON.stringify({ ...sessionStorage }), document.cookie);
  for (const trace of traces) expect(trace).not.toMatch(/token|patient-1|MRI/);
});
