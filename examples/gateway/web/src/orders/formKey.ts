import type { ApiError } from "../api/errors";

/**
 * The idempotency key of one form. A retry after an unclear end carries the same key, so that it cannot store
 * twice; a form that was surely refused and then changed is another request and gets another key.
 */
export class FormKey {
  #key = fresh();
  #content: string | null = null;
  #refused = false;
  /** Something was sent whose end is unknown: until that is settled, only this key is safe. */
  #unsure = false;

  /** The key to send this content with. */
  for(content: unknown): string {
    const text = JSON.stringify(content);
    if (this.#refused && text !== this.#content) this.#key = fresh();
    this.#refused = false;
    this.#content = text;
    return this.#key;
  }

  succeeded(): void {
    this.#key = fresh();
    this.#content = null;
    this.#refused = false;
    this.#unsure = false;
  }

  failed(error: ApiError): void {
    if (error.code === "IDEMPOTENCY_MISMATCH") this.#unsure = false;
    else if (error.unknownOutcome) this.#unsure = true;
    this.#refused = !this.#unsure;
  }
}

function fresh(): string {
  return `page-${crypto.randomUUID()}`;
}
