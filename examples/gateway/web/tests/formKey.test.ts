import { expect, it } from "vitest";

import { ApiError } from "../src/api/errors";
import { FormKey } from "../src/orders/formKey";

const refused = new ApiError("VALIDATION_ERROR", 400);
const lost = new ApiError("NETWORK", 0);
const unknown = new ApiError("OUTCOME_UNKNOWN", 503);
const mismatch = new ApiError("IDEMPOTENCY_MISMATCH", 422);

it("one form has one key until it is stored", () => {
  const key = new FormKey();
  const first = key.for("a");
  key.failed(lost);
  expect(key.for("a")).toBe(first);
  key.failed(unknown);
  expect(key.for("a")).toBe(first);
  key.succeeded();
  expect(key.for("a")).not.toBe(first);
});

it("a refusal keeps the key for the same content and gives other content another", () => {
  const key = new FormKey();
  const first = key.for("a");
  key.failed(refused);
  expect(key.for("a")).toBe(first);
  key.failed(refused);
  expect(key.for("b")).not.toBe(first);
});

it("as long as an end is unknown, other content goes under the same key, so that it cannot be a second order", () => {
  const key = new FormKey();
  const first = key.for("a");
  key.failed(lost);
  expect(key.for("b")).toBe(first);
  key.failed(refused);
  expect(key.for("c")).toBe(first);
  // The server knows the key with other content: the end is known now, and new content is a new wish.
  key.failed(mismatch);
  expect(key.for("c")).toBe(first);
  key.failed(mismatch);
  expect(key.for("d")).not.toBe(first);
});

it("a server's failure leaves the end unknown, a refusal does not", () => {
  const ends = [
    ["STORAGE_UNAVAILABLE", 503, true],
    ["INTERNAL", 500, true],
    ["RATE_LIMITED", 429, false],
    ["UNAUTHENTICATED", 401, false],
    ["ACCESS_DENIED", 403, false],
  ] as const;
  for (const [code, http, open] of ends) expect(new ApiError(code, http).unknownOutcome, code).toBe(open);
});
