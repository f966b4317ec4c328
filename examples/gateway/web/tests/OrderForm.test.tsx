import { fireEvent, render, screen, waitFor, within } from "@testing-library/react";
import { beforeEach, describe, expect, it, vi } from "vitest";

import { ApiError } from "../src/api/errors";
import type { CreateOrder } from "../src/api/types";
import { OrderForm } from "../src/orders/OrderForm";

const patient = { patient_id: "patient-1", providers: ["npi-1", "npi-2"] };
let sent: CreateOrder[];
let answer: () => Promise<unknown>;

beforeEach(() => {
  sent = [];
  answer = () => Promise.resolve();
});

function draw() {
  render(
    <OrderForm
      patient={patient}
      territory="north"
      onSubmit={(request) => {
        sent.push(request);
        return answer();
      }}
    />,
  );
}
const type = (label: string | RegExp, value: string) =>
  fireEvent.change(screen.getByLabelText(label), { target: { value } });
const place = () => fireEvent.click(screen.getByRole("button", { name: /Place order|Placing/ }));
const errorOf = (element: HTMLElement) => {
  const ids = (element.getAttribute("aria-describedby") ?? "").split(" ");
  return ids.map((id) => document.getElementById(id)?.textContent ?? "").join(" ");
};
const fail = (code: string, http: number, details = {}) => () => Promise.reject(new ApiError(code, http, details));

function fill() {
  type("Ordering provider", "npi-1");
  type("Service", "MRI brain");
}

describe("before sending", () => {
  it("says what is missing at the field, puts the focus there, and sends nothing", async () => {
    draw();
    place();
    const provider = screen.getByLabelText("Ordering provider");
    await waitFor(() => expect(provider.getAttribute("aria-invalid")).toBe("true"));
    expect(errorOf(provider)).toContain("Choose who orders this");
    expect(errorOf(screen.getByLabelText("Service"))).toContain("required");
    expect(document.activeElement).toBe(provider);
    expect(sent).toEqual([]);
  });

  it("makes one row of each pasted line", () => {
    draw();
    fireEvent.paste(screen.getByLabelText("Diagnosis code 1"), {
      clipboardData: { getData: () => "G43.909\r\n\nI10\n" },
    });
    const values = screen.getAllByLabelText(/^Diagnosis code/).map((input) => (input as HTMLInputElement).value);
    expect(values).toEqual(["G43.909", "I10"]);
  });
});

it("sends what was typed for the patient, without what was left empty", async () => {
  draw();
  fill();
  type("Diagnosis code 1", "G43.909");
  place();
  await waitFor(() => expect(sent).toHaveLength(1));
  const { idempotency_key: key, ...request } = sent[0]!;
  expect(key).toMatch(/^page-/);
  expect(request).toEqual({
    patient_id: "patient-1",
    provider_id: "npi-1",
    service_type: "MRI brain",
    diagnosis_codes: ["G43.909"],
  });
});

it("puts the server's faults at their fields and keeps what was typed", async () => {
  answer = fail("VALIDATION_ERROR", 400, {
    errors: [
      { path: "service_type", rule: "too_long" },
      { path: "diagnosis_codes[1]", rule: "format" },
      { path: "patient_id", rule: "control" },
    ],
  });
  draw();
  fill();
  fireEvent.click(screen.getByRole("button", { name: "Add code" }));
  fireEvent.click(screen.getByRole("button", { name: "Add code" }));
  type("Diagnosis code 1", "A");
  // The second row stays empty and is not sent, so the server's second code is the third row.
  type("Diagnosis code 3", "B");
  place();
  const service = screen.getByLabelText<HTMLInputElement>("Service");
  await waitFor(() => expect(errorOf(service)).toContain("too long"));
  expect(errorOf(screen.getByLabelText("Diagnosis code 3"))).toContain("wrong form");
  expect(errorOf(screen.getByLabelText("Diagnosis code 1"))).not.toContain("wrong form");
  expect(within(screen.getByRole("alert")).getByText(/patient_id/)).toBeTruthy();
  expect(document.activeElement).toBe(service);
  expect(service.value).toBe("MRI brain");
});

it("tells that patient and provider do not belong together at the provider", async () => {
  answer = fail("PATIENT_PROVIDER_MISMATCH", 422);
  draw();
  fill();
  place();
  await waitFor(() => expect(errorOf(screen.getByLabelText("Ordering provider"))).toContain("not registered"));
});

describe("the idempotency key", () => {
  it("is the same for a retry after no answer, and new after success", async () => {
    answer = fail("NETWORK", 0);
    draw();
    fill();
    place();
    await waitFor(() => expect(screen.getByRole("alert")).toBeTruthy());
    answer = () => Promise.resolve();
    place();
    await waitFor(() => expect(sent).toHaveLength(2));
    expect(sent[1]).toEqual(sent[0]);

    await waitFor(() => expect(screen.getByLabelText<HTMLInputElement>("Service").value).toBe(""));
    fill();
    place();
    await waitFor(() => expect(sent).toHaveLength(3));
    expect(sent[2]!.idempotency_key).not.toBe(sent[0]!.idempotency_key);
  });

  it("covers a double press: the second sends nothing while the first is on its way", async () => {
    let arrive = () => {};
    answer = () => new Promise<void>((resolve) => (arrive = resolve));
    draw();
    fill();
    place();
    place();
    await waitFor(() => expect(sent).toHaveLength(1));
    place();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(sent).toHaveLength(1);
    arrive();
    await waitFor(() => expect(screen.getByRole("button", { name: "Place order" })).toBeTruthy());
  });
});

it("keeps the form when the session is over, and leaves nothing in the browser's storage", async () => {
  const stored = vi.spyOn(Storage.prototype, "setItem");
  answer = fail("UNAUTHENTICATED", 401);
  draw();
  fill();
  place();
  await waitFor(() => expect(screen.getByRole("alert").textContent).toContain("Sign in again"));
  expect(screen.getByLabelText<HTMLInputElement>("Service").value).toBe("MRI brain");
  expect(stored).not.toHaveBeenCalled();
});
