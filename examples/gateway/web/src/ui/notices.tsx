import { createContext, useCallback, useContext, useMemo, useRef, useState, type ReactNode } from "react";

import { Icon } from "./icons";

interface Notice {
  id: number;
  tone: "good" | "bad";
  text: string;
}

interface Notices {
  /** Says something to a screen reader, without showing it. */
  announce(text: string): void;
  /** Shows a short message: good news leaves by itself, bad news stays until it is dismissed. */
  notify(tone: Notice["tone"], text: string): void;
}

const Context = createContext<Notices | null>(null);

export function NoticesProvider({ children }: { children: ReactNode }) {
  const [spoken, setSpoken] = useState("");
  const [notices, setNotices] = useState<Notice[]>([]);
  const next = useRef(1);
  const queue = useRef<string[]>([]);
  const timer = useRef<ReturnType<typeof setTimeout> | null>(null);

  const dismiss = useCallback((id: number) => setNotices((list) => list.filter((item) => item.id !== id)), []);
  const announce = useCallback((text: string) => {
    // Gathered for a moment, so that a burst of events is one sentence and not a machine gun.
    queue.current.push(text);
    timer.current ??= setTimeout(() => {
      timer.current = null;
      const said = queue.current.splice(0);
      setSpoken(said.length > 3 ? `${said.length} orders changed` : said.join(". "));
    }, 400);
  }, []);
  const notify = useCallback(
    (tone: Notice["tone"], text: string) => {
      const id = next.current++;
      setNotices((list) => [...list.slice(-2), { id, tone, text }]);
      if (tone === "good") setTimeout(() => dismiss(id), 5_000);
    },
    [dismiss],
  );
  const value = useMemo(() => ({ announce, notify }), [announce, notify]);

  return (
    <Context value={value}>
      {children}
      <div className="visually-hidden" role="status" aria-live="polite">
        {spoken}
      </div>
      <div className="notices" role="log" aria-live="polite" aria-label="Messages">
        {notices.map((notice) => (
          <div key={notice.id} className={`notice notice-${notice.tone}`}>
            <Icon name={notice.tone === "good" ? "check" : "alert"} />
            <span>{notice.text}</span>
            <button type="button" className="icon-button" aria-label="Dismiss" onClick={() => dismiss(notice.id)}>
              <Icon name="close" />
            </button>
          </div>
        ))}
      </div>
    </Context>
  );
}

export function useNotices(): Notices {
  const notices = useContext(Context);
  if (!notices) throw new Error("no NoticesProvider above");
  return notices;
}
