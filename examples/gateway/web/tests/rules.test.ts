import { describe, expect, it } from "vitest";

import { broken, bytes, deleteForm, EMPTY_FORM, formPath, orderForm, reasonForm, toRequest, verifyForm } from "../src/orders/rules";
import type { OrderFormValues } from "../src/orders/rules";

const good: OrderFormValues = {
  ...EMPTY_FORM,
  provider_id: "npi-1",
  service_type: "MRI brain",
};

function faults(form: unknown): string[] {
  const read = orderForm.safeParse(form);
  return (read.error?.issues ?? []).map((issue) => issue.path.join("."));
}

describe("texts", () => {
  it("are measured in bytes of UTF-8, not in characters", () => {
    // One, two, three and four bytes a character: the last that fits and the first that does not.
    for (const [letter, size] of [["a", 1], ["é", 2], ["€", 3], ["😀", 4]] as const) {
      const most = Math.floor(256 / size);
      expect(bytes(letter)).toBe(size);
      expect(broken(letter.repeat(most), { longest: 256 })).toBeNull();
      expect(broken(letter.repeat(most + 1), { longest: 256 })).toBe("too_long");
    }
  });

  it("have no control characters, and notes only those of lines", () => {
    for (let code = 0; code < 0x100; code += 1) {
      const text = `a${String.fromCharCode(code)}b`;
      const control = code < 0x20 || (code >= 0x7f && code <= 0x9f);
      expect(broken(text, { longest: 9 }), `U+${code.toString(16)}`).toBe(control ? "control" : null);
      const line = code === 9 || code === 10 || code === 13;
      expect(broken(text, { longest: 9, lines: true }), `U+${code.toString(16)}`).toBe(
        control && !line ? "control" : null,
      );
    }
    // Formatting characters are no control characters.
    expect(broken("a\u200db\u2028c", { longest: 20 })).toBeNull();
  });

  it("are well-formed, and never trimmed", () => {
    expect(broken("a\ud800", { longest: 9 })).toBe("utf8");
    expect(broken("", { longest: 9, required: true })).toBe("empty");
    expect(broken(" ", { longest: 9, required: true })).toBeNull();
  });
});

describe("an order", () => {
  it("needs a provider and a service, and nothing else", () => {
    expect(faults(good)).toEqual([]);
    expect(faults({ ...good, provider_id: "", service_type: "" })).toEqual(["provider_id", "service_type"]);
  });

  it("has a service of at most 256 bytes", () => {
    expect(faults({ ...good, service_type: "x".repeat(256) })).toEqual([]);
    expect(faults({ ...good, service_type: "x".repeat(257) })).toEqual(["service_type"]);
    expect(faults({ ...good, service_type: "two\nlines" })).toEqual(["service_type"]);
  });

  it("has at most 50 codes of 128 bytes; empty rows do not count", () => {
    const rows = (count: number, value = "G43.909") => Array.from({ length: count }, () => ({ value }));
    expect(faults({ ...good, diagnosis_codes: [...rows(50), ...rows(9, "")] })).toEqual([]);
    expect(faults({ ...good, diagnosis_codes: rows(51) })).toEqual(["diagnosis_codes"]);
    const long = [{ value: "ok" }, { value: "x".repeat(129) }, { value: "tab\t" }];
    expect(faults({ ...good, diagnosis_codes: long })).toEqual(["diagnosis_codes.1.value", "diagnosis_codes.2.value"]);
  });

  it("has notes of at most 64 KiB, with lines", () => {
    expect(faults({ ...good, notes: `a\r\n\tb${"x".repeat(65_530)}` })).toEqual([]);
    expect(faults({ ...good, notes: "x".repeat(65_537) })).toEqual(["notes"]);
    expect(faults({ ...good, notes: "bell\u0007" })).toEqual(["notes"]);
  });

  it("has insurance with carrier and policy, if the patient is insured", () => {
    const insurance = { carrier: "", policy_number: "x".repeat(257), group_number: "a\u0000" };
    expect(faults({ ...good, insurance })).toEqual([]);
    expect(faults({ ...good, insured: true, insurance })).toEqual([
      "insurance.carrier",
      "insurance.policy_number",
      "insurance.group_number",
    ]);
  });

  it("becomes a request without what was left empty", () => {
    const codes = [{ value: "" }, { value: "A" }, { value: "" }, { value: "B" }];
    const { request, rows } = toRequest("p-1", { ...good, diagnosis_codes: codes });
    expect(request).toEqual({
      patient_id: "p-1",
      provider_id: "npi-1",
      service_type: "MRI brain",
      diagnosis_codes: ["A", "B"],
    });
    expect(rows).toEqual([1, 3]);
    const insured = { carrier: "Prairie", policy_number: "P", group_number: "" };
    expect(toRequest("p-1", { ...good, notes: "n", insured: true, insurance: insured }).request).toMatchObject({
      notes: "n",
      insurance: { carrier: "Prairie", policy_number: "P" },
    });
  });
});

describe("a fault of the server", () => {
  it.each([
    ["service_type", "service_type"],
    ["notes", "notes"],
    ["provider_id", "provider_id"],
    ["diagnosis_codes", "diagnosis_codes"],
    ["diagnosis_codes[0]", "diagnosis_codes.1.value"],
    ["diagnosis_codes[1]", "diagnosis_codes.3.value"],
    ["diagnosis_codes[7]", "diagnosis_codes"],
    ["insurance.carrier", "insurance.carrier"],
    ["insurance.group_number", "insurance.group_number"],
    ["insurance.other", null],
    ["patient_id", null],
    ["", null],
  ])("at %s belongs to %s", (path, field) => {
    expect(formPath(path, [1, 3])).toBe(field);
  });
});

describe("a step", () => {
  it("that is refused needs a reason or notes; a reason is counted in characters", () => {
    const ok = (reason: string, notes = "") => reasonForm.safeParse({ reason, notes }).success;
    expect(ok("")).toBe(false);
    expect(ok("", "because")).toBe(true);
    expect(ok("😀".repeat(200))).toBe(true);
    expect(ok("😀".repeat(201))).toBe(false);
    expect(ok("two\nlines")).toBe(false);
    expect(deleteForm.safeParse({ reason: "" }).success).toBe(false);
    expect(deleteForm.safeParse({ reason: "wrong patient file" }).success).toBe(true);
  });

  it("that verifies says who and how", () => {
    const form = {
      verified_by: "u-7",
      verification_method: "phone",
      authorization_number: "",
      insurance_status: "confirmed",
      valid_until: "",
      notes: "",
    };
    const paths = (more: object) => verifyForm.safeParse({ ...form, ...more }).error?.issues.map((issue) => issue.path[0]);
    expect(paths({})).toBeUndefined();
    expect(paths({ valid_until: "2026-03-01T09:30" })).toBeUndefined();
    expect(paths({ verified_by: "", verification_method: "x".repeat(257) })).toEqual([
      "verified_by",
      "verification_method",
    ]);
    expect(paths({ insurance_status: "maybe", valid_until: "soon" })).toEqual(["insurance_status", "valid_until"]);
  });
});
