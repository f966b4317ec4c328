import { useState } from "react";

/**
 * The part of an id that tells it apart: the end. The start of a UUIDv7 is its time, which two orders of one
 * minute share.
 */
export function shortId(id: string): string {
  return id.length <= 14 ? id : `…${id.slice(-8)}`;
}

/** An id, shortened; a press shows it whole, so that it can be read out or copied. */
export function Id({ value, label }: { value: string; label: string }) {
  const [whole, setWhole] = useState(false);
  if (shortId(value) === value) return <span className="id">{value}</span>;
  return (
    <button
      type="button"
      className="id id-button"
      aria-expanded={whole}
      aria-label={`${label} ${whole ? value : shortId(value)}`}
      title={whole ? "Show less" : "Show the whole id"}
      onClick={() => setWhole(!whole)}
    >
      {whole ? value : shortId(value)}
    </button>
  );
}
