import { useEffect, useState } from "react";

const full = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const dated = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto", style: "short" });

/** A moment as a ward says it: minutes ago, else the hour, else the day. The exact time is one hover away. */
export function Time({ at, exact = false }: { at: string; exact?: boolean }) {
  const now = useMinute();
  const date = new Date(at);
  return (
    <time dateTime={at} title={full.format(date)}>
      {exact ? full.format(date) : said(date, now)}
    </time>
  );
}

export function said(date: Date, now: number): string {
  const minutes = Math.round((now - date.getTime()) / 60_000);
  if (minutes < 1 && minutes > -1) return "just now";
  if (Math.abs(minutes) < 60) return relative.format(-minutes, "minute");
  if (date.toDateString() === new Date(now).toDateString()) return clock.format(date);
  return date.getFullYear() === new Date(now).getFullYear() ? day.format(date) : dated.format(date);
}

const listeners = new Set<(now: number) => void>();
let ticking: ReturnType<typeof setInterval> | null = null;

/** One clock for every time on the page. */
function useMinute(): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    listeners.add(setNow);
    ticking ??= setInterval(() => listeners.forEach((tell) => tell(Date.now())), 30_000);
    return () => {
      listeners.delete(setNow);
      if (listeners.size === 0 && ticking !== null) {
        clearInterval(ticking);
        ticking = null;
      }
    };
  }, []);
  return now;
}
