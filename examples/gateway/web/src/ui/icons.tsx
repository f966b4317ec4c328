// One stroke, one size: shapes that stay apart at 16 px, so that a status never depends on its colour.
const PATHS = {
  check: "M3.5 8.5l3 3 6-7",
  close: "M4 4l8 8M12 4l-8 8",
  alert: "M8 2.2l6.2 11.1H1.8zM8 6.4v3.2M8 11.5v.1",
  clock: "M8 2a6 6 0 100 12A6 6 0 008 2zM8 4.8V8l2.2 1.6",
  shield: "M8 1.8l5 1.9v3.9c0 3.1-2.1 5.5-5 6.6-2.9-1.1-5-3.5-5-6.6V3.7zM5.6 7.9l1.7 1.7 3.1-3.4",
  reject: "M8 2a6 6 0 100 12A6 6 0 008 2zM5.8 5.8l4.4 4.4M10.2 5.8l-4.4 4.4",
  progress: "M8 2a6 6 0 106 6M8 2v6h6",
  done: "M8 2a6 6 0 100 12A6 6 0 008 2zM5.3 8.2l2 2 3.6-4.2",
  cancel: "M8 2a6 6 0 100 12A6 6 0 008 2zM3.8 3.8l8.4 8.4",
  trash: "M2.5 4.5h11M6 4.2V2.5h4v1.7M4 4.8l.6 8.7h6.8l.6-8.7",
  lock: "M4 7.2h8v6H4zM5.5 7V5a2.5 2.5 0 015 0v2",
  plus: "M8 3v10M3 8h10",
  left: "M10 3L5 8l5 5",
  right: "M6 3l5 5-5 5",
  sun: "M8 5.2a2.8 2.8 0 100 5.6 2.8 2.8 0 000-5.6zM8 1.5v1.3M8 13.2v1.3M1.5 8h1.3M13.2 8h1.3M3.4 3.4l.9.9M11.7 11.7l.9.9M12.6 3.4l-.9.9M4.3 11.7l-.9.9",
  moon: "M13 9.6A5.6 5.6 0 016.4 3 5.6 5.6 0 108 13.6a5.6 5.6 0 005-4z",
  refresh: "M13 8a5 5 0 11-1.6-3.7M13 2.5v3h-3",
  out: "M6.5 2.5H3v11h3.5M9.5 5L13 8l-3.5 3M13 8H6.5",
  search: "M7 2.5a4.5 4.5 0 100 9 4.5 4.5 0 000-9zM10.4 10.4l3.1 3.1",
} as const;

export type IconName = keyof typeof PATHS;

/** Decoration beside words; it is never the only name of a thing. */
export function Icon({ name }: { name: IconName }) {
  return (
    <svg className="icon" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
