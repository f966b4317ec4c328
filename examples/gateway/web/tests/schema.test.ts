// @vitest-environment node
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

import openapi, { astToString, COMMENT_HEADER } from "openapi-typescript";
import { expect, it } from "vitest";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

it("the generated types are those of the committed OpenAPI document (else: npm run types)", async () => {
  const document = await readFile(here("../../openapi.json"), "utf8");
  const types = COMMENT_HEADER + astToString(await openapi(document));
  expect(await readFile(here("../src/api/schema.ts"), "utf8")).toBe(types);
});
