import { useQueryClient } from "@tanstack/react-query";
import { createContext, useCallback, useContext, useMemo, useState, type ReactNode } from "react";

import type { Caller } from "../api/client";
import { useSession } from "./session";

interface TerritoryState {
  territory: string;
  /** Those to choose from; `*` if the session may enter any, which the user then types. */
  territories: string[] | "*";
  setTerritory(territory: string): void;
}

const Context = createContext<(TerritoryState & { caller: Caller }) | null>(null);

export function TerritoryProvider({ known, children }: { known: string[]; children: ReactNode }) {
  const { territories: granted, token } = useSession();
  const client = useQueryClient();
  const territories = useMemo(() => {
    if (granted === "*") return known.length > 0 ? known : granted;
    // The demo names its busiest territory first, which is what somebody who looks around wants to see.
    return [...known.filter((name) => granted.includes(name)), ...granted.filter((name) => !known.includes(name))];
  }, [granted, known]);
  const [chosen, setChosen] = useState<string | null>(null);
  const first = territories === "*" ? "" : (territories[0] ?? "");
  const territory =
    chosen !== null && (territories === "*" || territories.includes(chosen)) ? chosen : first;

  const setTerritory = useCallback(
    (next: string) => {
      // Territories are walled off from each other; so is what is kept of them here.
      client.clear();
      setChosen(next);
      location.hash = "";
    },
    [client],
  );
  // One object for everybody, so that what is asked for together is known to be for the same user.
  const caller = useMemo(() => ({ token, territory }), [token, territory]);
  const state = useMemo(
    () => ({ territory, territories, setTerritory, caller }),
    [territory, territories, setTerritory, caller],
  );
  return <Context value={state}>{children}</Context>;
}

/** The territory the user works in, and how to change it. */
export function useTerritory(): TerritoryState {
  return useAll();
}

/** What a call of the gateway needs to know about the user. */
export function useCaller(): Caller {
  return useAll().caller;
}

function useAll() {
  const state = useContext(Context);
  if (!state) throw new Error("no TerritoryProvider above");
  return state;
}
