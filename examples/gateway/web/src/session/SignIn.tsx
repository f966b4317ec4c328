import { useEffect, useState } from "react";

import * as api from "../api/client";
import { describe, isCode } from "../api/errors";
import type { Demo } from "../api/types";
import { Field } from "../ui/Field";
import { Icon } from "../ui/icons";
import { useSessionState } from "./session";

/** Signing in: as one of the demo's roles, where the gateway runs as a demo, or with a token from elsewhere. */
export function SignIn({ demo, only }: { demo: Demo | null; only?: string }) {
  const { signIn } = useSessionState();
  const [busy, setBusy] = useState<string | null>(null);
  const [failure, setFailure] = useState<unknown>(null);
  const [token, setToken] = useState("");
  const [missing, setMissing] = useState(false);

  async function enter(what: string, getToken: () => Promise<string>) {
    if (busy !== null) return;
    setBusy(what);
    setFailure(null);
    try {
      await signIn(await getToken());
      setToken("");
    } catch (error) {
      setFailure(error);
      setBusy(null);
    }
  }

  // Whose page waits is named first, and is the one the keyboard is on.
  const roles = demo?.roles.toSorted((a, b) => Number(b.user_id === only) - Number(a.user_id === only)) ?? [];

  return (
    <div className="sign-in">
      {failure !== null && (
        <div className="failed" role="alert">
          <Icon name="alert" />
          <div>
            <p className="failed-title">Signing in did not work</p>
            <p>
              {isCode(failure, "UNAUTHENTICATED")
                ? "This token is not accepted here, or it has ended. Get a new one."
                : describe(failure)}
            </p>
          </div>
        </div>
      )}
      {roles.length > 0 && (
        <div>
          <h2 className="small-title">Demo: choose who you are</h2>
          <ul className="roles">
            {roles.map(({ role, user_id, describes }, at) => (
              <li key={role}>
                <button
                  type="button"
                  data-autofocus={only !== undefined && at === 0 ? "" : undefined}
                  aria-disabled={busy !== null}
                  onClick={() => void enter(role, async () => (await api.demoSignIn(role)).token)}
                >
                  <span className="role-name">{role}</span>
                  <span className="id">{user_id}</span>
                  <span className="role-text">{busy === role ? "Signing in…" : describes}</span>
                </button>
              </li>
            ))}
          </ul>
        </div>
      )}
      <form
        className="form"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          setMissing(token.trim() === "");
          if (token.trim() !== "") void enter("token", () => Promise.resolve(token.trim()));
        }}
      >
        {roles.length > 0 && <h2 className="small-title">Or sign in with a token</h2>}
        <Field
          label="Access token"
          error={missing ? "Paste a token first." : undefined}
          hint="Kept in memory until you sign out or reload; never stored."
        >
          {(input) => (
            <input
              {...input}
              type="password"
              autoComplete="off"
              value={token}
              onChange={(event) => setToken(event.target.value)}
            />
          )}
        </Field>
        <footer className="form-foot">
          <button type="submit" className="button button-main" aria-disabled={busy !== null}>
            {busy === "token" ? "Signing in…" : "Sign in"}
          </button>
        </footer>
      </form>
    </div>
  );
}

/** What the gateway offers as a demo; null if it is none, undefined while that is not known. */
export function useDemo(): Demo | null | undefined {
  const [demo, setDemo] = useState<Demo | null | undefined>(undefined);
  useEffect(() => {
    let gone = false;
    api.demo().then(
      (found) => gone || setDemo(found),
      () => gone || setDemo(null),
    );
    return () => {
      gone = true;
    };
  }, []);
  return demo;
}
