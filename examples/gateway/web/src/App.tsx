import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";

import type { Demo, Permission } from "./api/types";
import { AdminPage } from "./admin/AdminPage";
import { AuditPage } from "./audit/AuditPage";
import { Header } from "./Header";
import { LiveProvider } from "./live/live";
import { NewOrder } from "./orders/NewOrder";
import { OrdersPage, START, type ListPlace } from "./orders/OrdersPage";
import { OrderView } from "./orders/OrderView";
import { parseRoute, useHash, type Route } from "./route";
import { useSession, useSessionState } from "./session/session";
import { SignIn, useDemo } from "./session/SignIn";
import { TerritoryProvider, useTerritory } from "./session/territory";
import { Boundary } from "./ui/Boundary";
import { Dialog } from "./ui/Dialog";
import { Empty } from "./ui/states";

const NONE: string[] = [];

export function App() {
  const { session, expired } = useSessionState();
  const demo = useDemo();
  if (!session) return <Welcome demo={demo} />;
  return (
    <>
      <TerritoryProvider key={session.user_id} known={demo?.territories ?? NONE}>
        <LiveProvider>
          <Shell />
        </LiveProvider>
      </TerritoryProvider>
      {expired && <SignInAgain demo={demo ?? null} user={session.user_id} />}
    </>
  );
}

function Welcome({ demo }: { demo: Demo | null | undefined }) {
  useEffect(() => {
    document.title = "Sign in – medorder";
  }, []);
  return (
    <main className="welcome">
      <div className="welcome-card">
        <p className="brand">medorder</p>
        <h1>Medical orders, followed live</h1>
        <p className="quiet">Place, verify and finish orders. Clinical contents are encrypted; every look is recorded.</p>
        {demo !== undefined && <SignIn demo={demo} />}
      </div>
    </main>
  );
}

/** Over the page, which stays as it was left, typed forms included. */
function SignInAgain({ demo, user }: { demo: Demo | null; user: string }) {
  const { signOut } = useSessionState();
  return (
    <Dialog title="Your session has ended" opaque>
      <p>
        Sign in again as <strong>{user}</strong> to go on where you were; nothing you typed is lost. Signing in as
        somebody else starts afresh.
      </p>
      <SignIn demo={demo} only={user} />
      <button type="button" className="button button-quiet" onClick={signOut}>
        Sign out instead
      </button>
    </Dialog>
  );
}

const TITLES: Record<Route["view"], string> = {
  home: "Orders",
  orders: "Orders",
  new: "New order",
  order: "Order",
  audit: "Audit",
  admin: "Administration",
};

function Shell() {
  const hash = useHash();
  const { permissions, generation } = useSession();
  const { territory } = useTerritory();
  const [place, setPlace] = useState<ListPlace>(START);
  const main = useRef<HTMLElement>(null);
  const client = useQueryClient();
  const route = landing(parseRoute(hash), permissions);

  useEffect(() => setPlace(START), [territory]);
  useEffect(() => {
    document.title = `${TITLES[route.view]} – medorder`;
  }, [route.view]);
  // After a change of view the keyboard and the screen reader stand at its heading.
  const shown = useRef(hash);
  useEffect(() => {
    if (shown.current === hash) return;
    shown.current = hash;
    window.scrollTo(0, 0);
    main.current?.querySelector<HTMLElement>("h1")?.focus({ preventScroll: true });
  }, [hash]);
  useEffect(() => {
    // What failed for want of a session is asked for again once there is one.
    void client.refetchQueries({ type: "active", predicate: (query) => query.state.status === "error" });
  }, [client, generation]);

  return (
    <>
      <a className="skip" href="#main" onClick={(event) => {
        event.preventDefault();
        main.current?.focus();
      }}>
        Skip to the contents
      </a>
      <Header view={route.view} />
      <main id="main" ref={main} tabIndex={-1} className="page">
        {territory === "" ? (
          <Empty icon="lock" title="Choose a territory above to begin" />
        ) : (
          <Boundary key={`${territory} ${route.view}`}>
            <View route={route} place={place} onPlace={setPlace} />
          </Boundary>
        )}
      </main>
    </>
  );
}

function View({ route, place, onPlace }: { route: Route; place: ListPlace; onPlace(place: ListPlace): void }) {
  switch (route.view) {
    case "orders":
      return <OrdersPage place={place} onPlace={onPlace} />;
    case "new":
      return <NewOrder />;
    case "order":
      return <OrderView key={route.id} id={route.id} />;
    case "audit":
      return <AuditPage />;
    case "admin":
      return <AdminPage />;
    case "home":
      return <Empty icon="lock" title="Your role has nothing to do on this page" />;
  }
}

const NEEDS: Partial<Record<Route["view"], Permission[]>> = {
  orders: ["order.view"],
  order: ["order.view"],
  new: ["order.create"],
  audit: ["audit.read"],
  admin: ["order.delete", "keys.manage"],
};

/** The view asked for if the role may enter it, else the first it may: asking anyway would be a recorded denial. */
export function landing(route: Route, permissions: Permission[]): Route {
  const may = (view: Route["view"]) => NEEDS[view]?.some((permission) => permissions.includes(permission)) ?? false;
  if (may(route.view)) return route;
  for (const view of ["orders", "audit", "admin", "new"] as const) {
    if (may(view)) return { view };
  }
  return { view: "home" };
}
