import { useState } from "react";

import type { FeedState } from "./live/feed";
import { useLive } from "./live/live";
import type { Route } from "./route";
import { useMay, useSession, useSessionState } from "./session/session";
import { useTerritory } from "./session/territory";
import { Icon } from "./ui/icons";

/** Always in sight: where one is, as whom, and whether what one sees is live. */
export function Header({ view }: { view: Route["view"] }) {
  const { user_id, roles } = useSession();
  const { signOut } = useSessionState();
  const mayView = useMay("order.view");
  const mayAudit = useMay("audit.read");
  const mayDelete = useMay("order.delete");
  const mayKeys = useMay("keys.manage");
  const links = [
    { href: "#/orders", text: "Orders", views: ["orders", "order", "new"], may: mayView },
    { href: "#/audit", text: "Audit", views: ["audit"], may: mayAudit },
    { href: "#/admin", text: "Administration", views: ["admin"], may: mayDelete || mayKeys },
  ].filter((link) => link.may);

  return (
    <header className="top">
      <span className="brand">medorder</span>
      <nav aria-label="Main">
        {links.map((link) => (
          <a key={link.href} href={link.href} aria-current={link.views.includes(view) ? "page" : undefined}>
            {link.text}
          </a>
        ))}
      </nav>
      <div className="top-right">
        {mayView && <Connection />}
        <TerritoryChoice />
        <span className="who" title={`Signed in as ${user_id}`}>
          <b>{roles.join(", ")}</b>
          <span>{user_id}</span>
        </span>
        <ThemeToggle />
        <button type="button" className="icon-button" aria-label="Sign out" title="Sign out" onClick={signOut}>
          <Icon name="out" />
        </button>
      </div>
    </header>
  );
}

const CONNECTION: Record<FeedState, string> = {
  connecting: "Connecting",
  live: "Live",
  reconnecting: "Reconnecting",
  offline: "Offline",
  denied: "No live updates",
  expired: "Signed out",
};

function Connection() {
  const { state, reconnect } = useLive();
  const waiting = state === "reconnecting" || state === "offline";
  return (
    <span className={`connection connection-${state}`}>
      <span role="status">
        <span className="dot" aria-hidden="true" />
        {CONNECTION[state]}
      </span>
      {waiting && (
        <button type="button" className="link" onClick={reconnect}>
          Try now
        </button>
      )}
    </span>
  );
}

function TerritoryChoice() {
  const { territory, territories, setTerritory } = useTerritory();
  const [typed, setTyped] = useState(territory);
  if (territories === "*") {
    return (
      <form
        className="territory"
        onSubmit={(event) => {
          event.preventDefault();
          if (typed !== "") setTerritory(typed);
        }}
      >
        <input
          aria-label="Territory"
          value={typed}
          placeholder="Territory"
          autoComplete="off"
          onChange={(event) => setTyped(event.target.value)}
        />
        <button type="submit" className="button button-small">
          Go
        </button>
      </form>
    );
  }
  if (territories.length <= 1) return <strong className="territory">{territory}</strong>;
  return (
    <select
      className="territory"
      aria-label="Territory"
      value={territory}
      onChange={(event) => setTerritory(event.target.value)}
    >
      {territories.map((name) => (
        <option key={name}>{name}</option>
      ))}
    </select>
  );
}

/** For this visit; the next one starts as the system is set. */
function ThemeToggle() {
  const [dark, setDark] = useState(() => {
    const set = document.documentElement.dataset["theme"];
    return set ? set === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  });
  function toggle() {
    document.documentElement.dataset["theme"] = dark ? "light" : "dark";
    setDark(!dark);
  }
  const label = dark ? "Light colours" : "Dark colours";
  return (
    <button type="button" className="icon-button" aria-label={label} title={label} onClick={toggle}>
      <Icon name={dark ? "sun" : "moon"} />
    </button>
  );
}
