import { act, fireEvent, screen, waitFor, within } from "@testing-library/react";
import { expect, it, vi } from "vitest";

import { OrderList } from "../src/orders/OrderList";
import { useOrderPage } from "../src/orders/queries";
import { anEvent, anOrder, draw, gateway, orderId, transitions, type Call } from "./help";

const page = { orders: [anOrder(2), anOrder(1)], next_cursor: null, feed_cursor: "f" };
const start = { status: "in_progress" as const, allowed: true, needs: [] };

function List() {
  const { data } = useOrderPage([], null);
  return data ? <OrderList orders={data.orders} caption="Orders" /> : null;
}
const row = (number: number) =>
  screen.getAllByRole("row").find((item) => item.querySelector(`a[href="#/orders/${orderId(number)}"]`))!;

function standard(call: Call) {
  if (call.path === "/api/v1/orders") return { data: page };
  if (call.path === "/api/v1/orders/transitions") {
    const ids = call.query.get("ids")!.split(",");
    return { data: ids.map((id) => ({ order_id: id, transitions: transitions(start) })) };
  }
  throw new Error(`unexpected ${call.method} ${call.path}`);
}

it("has the columns of the specification, and asks for the steps of all rows at once", async () => {
  const calls = gateway(standard);
  draw(<List />);
  await screen.findAllByRole("button", { name: /^Start/ });
  expect(screen.getAllByRole("columnheader").map((header) => header.textContent)).toEqual([
    "Order ID",
    "Patient",
    "Service",
    "Status",
    "Actions",
  ]);
  expect(within(row(2)).getByText("MRI brain")).toBeTruthy();
  const asked = calls.filter((call) => call.path.endsWith("/transitions"));
  expect(asked.map((call) => call.query.get("ids"))).toEqual([`${orderId(2)},${orderId(1)}`]);
  expect(calls.find((call) => call.path === "/api/v1/orders")?.query.get("fields")).toBe("service_type");
});

it("offers what is allowed, and names what is not with its reason", async () => {
  gateway((call) => {
    if (!call.path.endsWith("/transitions")) return standard(call);
    const [one, two] = call.query.get("ids")!.split(",");
    const expired = { status: "in_progress" as const, allowed: false, why: "verification_expired", needs: [] };
    const own = { status: "verified" as const, allowed: false, why: "own_order", needs: [] };
    return {
      data: [
        { order_id: one, transitions: transitions(expired) },
        { order_id: two, transitions: transitions(own) },
      ],
    };
  });
  draw(<List />);
  await waitFor(() => expect(row(2).textContent).toContain("Start: the verification has expired"));
  expect(row(1).textContent).toContain("Verify: you created this order");
  expect(within(row(2)).queryByRole("button", { name: /^Start/ })).toBeNull();
  // A step that simply is not the next one is no news.
  expect(row(2).textContent).not.toContain("Complete");
});

it("shows a step at once, and takes it back if somebody was first", async () => {
  let refuse = () => {};
  const calls = gateway(async (call) => {
    if (call.method === "PUT") {
      await new Promise<void>((resolve) => (refuse = resolve));
      return { code: "VERSION_CONFLICT", http: 409, details: { current_version: 3 } };
    }
    if (call.path === `/api/v1/orders/${orderId(2)}`) {
      return { data: anOrder(2, { status: "cancelled", version: 3, disclosed: [] }) };
    }
    return standard(call);
  });
  draw(<List />);
  fireEvent.click(await screen.findByRole("button", { name: new RegExp(`^Start: order …${orderId(2).slice(-8)}`) }));
  await waitFor(() => expect(within(row(2)).getByText("In progress")).toBeTruthy());
  expect(within(row(1)).getByText("Verified")).toBeTruthy();

  refuse();
  await waitFor(() => expect(within(row(2)).queryByText("In progress")).toBeNull());
  await waitFor(() => expect(within(row(2)).getByText("Cancelled")).toBeTruthy());
  expect(screen.getByRole("log").textContent).toContain("Somebody else changed this order first");
  // Where the order is now was asked without decrypting anything.
  const read = calls.find((call) => call.path === `/api/v1/orders/${orderId(2)}`);
  expect(read?.query.get("fields")).toBe("");
  expect(calls.find((call) => call.method === "PUT")?.body).toMatchObject({
    status: "in_progress",
    expected_version: 2,
    idempotency_key: expect.stringContaining(orderId(2)),
  });
});

it("keeps a step that was taken, and asks which are open then", async () => {
  const calls = gateway((call) => {
    if (call.method === "PUT") return { data: { ...anOrder(2), status: "in_progress", version: 3 } };
    return standard(call);
  });
  draw(<List />);
  fireEvent.click(await screen.findByRole("button", { name: new RegExp(`^Start: order …${orderId(2).slice(-8)}`) }));
  await waitFor(() => expect(within(row(2)).getByText("In progress")).toBeTruthy());
  await waitFor(() => expect(calls.filter((call) => call.path.endsWith("/transitions"))).toHaveLength(2));
  expect(calls.at(-1)?.query.get("ids")).toBe(orderId(2));
  // The list itself was read once: each reading is an audit entry for each order.
  expect(calls.filter((call) => call.path === "/api/v1/orders")).toHaveLength(1);
});

it("asks for what a step needs, and sends nothing before", async () => {
  const dialog = vi.fn();
  HTMLDialogElement.prototype.showModal ??= dialog;
  const verify = { status: "verified" as const, allowed: true, needs: ["verification_data" as const] };
  const calls = gateway((call) => {
    if (call.path.endsWith("/transitions")) {
      return { data: call.query.get("ids")!.split(",").map((id) => ({ order_id: id, transitions: transitions(verify) })) };
    }
    if (call.method === "PUT") {
      return {
        code: "VALIDATION_ERROR",
        http: 400,
        details: { errors: [{ path: "verification_data.verification_method", rule: "too_long" }] },
      };
    }
    return standard(call);
  });
  draw(<List />);
  const [button] = await screen.findAllByRole("button", { name: /^Verify/ });
  fireEvent.click(button!);
  const method = await screen.findByLabelText("How it was verified");
  // Whose order it is and what, so that nobody verifies the row beside it.
  const { service_type, patient_id } = anOrder(1);
  const about = method.closest("dialog")!.textContent;
  expect(about).toContain(service_type);
  expect(about).toContain(patient_id);
  expect(calls.some((call) => call.method === "PUT")).toBe(false);
  fireEvent.change(method, { target: { value: "phone" } });
  fireEvent.change(screen.getByLabelText("Insurance"), { target: { value: "denied" } });
  fireEvent.click(screen.getByRole("button", { name: "Verify order" }));
  await waitFor(() => expect(method.getAttribute("aria-invalid")).toBe("true"));
  expect(calls.find((call) => call.method === "PUT")?.body).toMatchObject({
    status: "verified",
    verification_data: { verified_by: "u-1", verification_method: "phone", insurance_status: "denied" },
  });
  expect(screen.getByLabelText<HTMLInputElement>("How it was verified").value).toBe("phone");
});

it("sends a form again as it was, though the order has moved on since", async () => {
  HTMLDialogElement.prototype.showModal ??= vi.fn();
  const cancel = { status: "cancelled" as const, allowed: true, needs: ["reason_or_notes" as const] };
  const calls = gateway((call) => {
    if (call.path.endsWith("/transitions")) {
      return { data: call.query.get("ids")!.split(",").map((id) => ({ order_id: id, transitions: transitions(cancel) })) };
    }
    const isFirst = calls.filter((one) => one.method === "PUT").length === 1;
    if (call.method === "PUT" && isFirst) return { code: "OUTCOME_UNKNOWN", http: 503 };
    if (call.method === "PUT") return { data: { ...anOrder(2), status: "cancelled", version: 3 } };
    return standard(call);
  });
  const feed = { onmessage: (_: { data: unknown }) => {}, onclose: null, close() {} };
  vi.stubGlobal("WebSocket", function () {
    return feed;
  });
  draw(<List />);
  const name = new RegExp(`^Cancel order: order …${orderId(2).slice(-8)}`);
  fireEvent.click(await screen.findByRole("button", { name }));
  fireEvent.change(await screen.findByLabelText("Reason"), { target: { value: "out of service" } });
  const sends = () => fireEvent.click(screen.getByRole("button", { name: "Cancel order" }));
  sends();
  await screen.findByText(/It is not certain whether this was stored/);
  // It was stored, says the feed, before the user tries again.
  act(() => feed.onmessage({ data: JSON.stringify(anEvent(2, 3, "cancelled")) }));
  await waitFor(() => expect(within(row(2)).getByText("Cancelled")).toBeTruthy());
  sends();
  await waitFor(() => expect(calls.filter((call) => call.method === "PUT")).toHaveLength(2));
  const [first, second] = calls.filter((call) => call.method === "PUT");
  expect(first?.body).toMatchObject({ status: "cancelled", reason: "out of service", expected_version: 2 });
  expect(second?.body).toEqual(first?.body);
});
