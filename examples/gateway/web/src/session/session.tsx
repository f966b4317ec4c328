import { QueryClient, QueryClientProvider, MutationCache, QueryCache } from "@tanstack/react-query";
import { createContext, useCallback, useContext, useEffect, useMemo, useRef, useState, type ReactNode } from "react";

import * as api from "../api/client";
import { ApiError, isCode } from "../api/errors";
import type { Permission, PhiField, SessionInfo } from "../api/types";

/** Who is signed in. Lives in memory alone: a reload signs out, and nothing is left on a shared machine. */
export interface Session extends SessionInfo {
  token: string;
  /** One more with each sign-in, so that what hangs on the token notices. */
  generation: number;
}

interface SessionState {
  session: Session | null;
  /** The session ended while the page was in use: everything stays, under a dialog to sign in again. */
  expired: boolean;
  signIn(token: string): Promise<void>;
  signOut(): void;
  expire(): void;
}

const Context = createContext<SessionState | null>(null);

export function SessionProvider({ children, initial = null }: { children: ReactNode; initial?: Session | null }) {
  const [session, setSession] = useState<Session | null>(initial);
  const [expired, setExpired] = useState(false);
  const current = useRef(session);
  current.current = session;

  const expire = useCallback(() => {
    if (current.current) setExpired(true);
  }, []);
  const [client] = useState(() => queryClient(expire));

  const signIn = useCallback(
    async (token: string) => {
      const info = await api.session(token);
      const before = current.current;
      // What another user may see must not outlive the change of hands.
      if (before && before.user_id !== info.user_id) client.clear();
      setSession({ ...info, token, generation: (before?.generation ?? 0) + 1 });
      setExpired(false);
    },
    [client],
  );
  const signOut = useCallback(() => {
    client.clear();
    setSession(null);
    setExpired(false);
  }, [client]);

  useEffect(() => {
    if (!session?.expires_at) return;
    const left = Date.parse(session.expires_at) - Date.now();
    // A timer holds 31 bits of milliseconds; a longer session is told by the server's answers.
    if (left > 2 ** 31 - 1) return;
    const timer = setTimeout(expire, Math.max(0, left));
    return () => clearTimeout(timer);
  }, [session, expire]);

  const state = useMemo(
    () => ({ session, expired, signIn, signOut, expire }),
    [session, expired, signIn, signOut, expire],
  );
  return (
    <Context value={state}>
      <QueryClientProvider client={client}>{children}</QueryClientProvider>
    </Context>
  );
}

export function useSessionState(): SessionState {
  const state = useContext(Context);
  if (!state) throw new Error("no SessionProvider above");
  return state;
}

/** The session; only inside what is shown to somebody signed in. */
export function useSession(): Session {
  const { session } = useSessionState();
  if (!session) throw new Error("nobody is signed in");
  return session;
}

export function useMay(permission: Permission): boolean {
  return useSession().permissions.includes(permission);
}

export function useSees(field: PhiField): boolean {
  return useSession().fields.includes(field);
}

/**
 * Nothing is fetched again by itself: each order in an answer is an entry in the audit, so "somebody looked at the
 * window" must not become "somebody viewed 25 orders". Live events keep the cache right instead.
 */
export function queryClient(onUnauthenticated: () => void): QueryClient {
  const watch = (error: unknown) => {
    if (isCode(error, "UNAUTHENTICATED")) onUnauthenticated();
  };
  return new QueryClient({
    queryCache: new QueryCache({ onError: watch }),
    mutationCache: new MutationCache({ onError: watch }),
    defaultOptions: {
      queries: {
        staleTime: Infinity,
        gcTime: 30 * 60_000,
        refetchOnMount: false,
        refetchOnReconnect: false,
        refetchOnWindowFocus: false,
        // A read that failed left no entry; still, only what the server calls temporary is worth another try.
        retry: (count, error) =>
          count < 2 && error instanceof ApiError && (error.http === 503 || error.code === "NETWORK"),
        retryDelay: (count, error) =>
          error instanceof ApiError && error.retryAfter ? error.retryAfter * 1000 : 400 * 2 ** count,
        networkMode: "always",
      },
      mutations: { retry: false, networkMode: "always" },
    },
  });
}
