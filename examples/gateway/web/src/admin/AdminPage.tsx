import { useMutation } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";

import * as api from "../api/client";
import { DeleteDialog } from "../orders/DeleteDialog";
import { useMay, useSession } from "../session/session";
import { useCaller, useTerritory } from "../session/territory";
import { Field } from "../ui/Field";
import { Icon } from "../ui/icons";
import { Failed } from "../ui/states";

/** What an administrator does: an administrator sees no orders, only their ids as others give them. */
export function AdminPage() {
  const { territory } = useTerritory();
  return (
    <section aria-labelledby="admin-title" className="narrow">
      <div className="page-head">
        <h1 id="admin-title" tabIndex={-1}>
          Administration of {territory}
        </h1>
      </div>
      {useMay("order.delete") && <DeleteCard />}
      {useMay("keys.manage") && <CheckpointCard />}
    </section>
  );
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

function DeleteCard() {
  const [id, setId] = useState("");
  const [error, setError] = useState<string | undefined>(undefined);
  const [asking, setAsking] = useState(false);
  const { territory } = useTerritory();

  function submit(event: FormEvent) {
    event.preventDefault();
    const good = UUID.test(id.trim());
    setError(good ? undefined : "This is not the id of an order.");
    setAsking(good);
  }
  return (
    <>
    <form className="card form" onSubmit={submit} noValidate>
      <h2>Delete an order</h2>
      <p className="quiet">
        Destroys the keys of the order&rsquo;s clinical contents in {territory}. Its audit stays and still verifies.
      </p>
      <Field label="Order id" error={error} hint="All 36 characters, as the person who asks for it gives them.">
        {(input) => (
          <input
            {...input}
            type="text"
            className="id"
            autoComplete="off"
            spellCheck={false}
            value={id}
            onChange={(event) => setId(event.target.value)}
          />
        )}
      </Field>
      <footer className="form-foot">
        <button type="submit" className="button button-danger">
          <Icon name="trash" />
          Delete…
        </button>
      </footer>
    </form>
      {asking && (
        <DeleteDialog
          order={{ id: id.trim().toLowerCase() }}
          onClose={(deleted) => {
            setAsking(false);
            if (deleted) setId("");
          }}
        />
      )}
    </>
  );
}

function CheckpointCard() {
  const caller = useCaller();
  const { territories } = useSession();
  const checkpoint = useMutation({ mutationFn: () => api.checkpoint(caller) });
  const everywhere = territories === "*";
  return (
    <div className="card form">
      <h2>Checkpoint</h2>
      <p className="quiet">
        Signs the newest entry of every territory&rsquo;s audit. Keep the notes outside the database: with them a
        database that was put back to an earlier state is found out.
      </p>
      {!everywhere && (
        <p className="refused">
          <Icon name="lock" />
          <span>A checkpoint covers the whole database and needs an administrator of all territories.</span>
        </p>
      )}
      <footer className="form-foot">
        <button
          type="button"
          className="button button-main"
          disabled={!everywhere}
          aria-disabled={checkpoint.isPending}
          onClick={() => checkpoint.isPending || checkpoint.mutate()}
        >
          <Icon name="shield" />
          {checkpoint.isPending ? "Signing…" : "Sign a checkpoint"}
        </button>
      </footer>
      <div aria-live="polite">
        {checkpoint.data && (
          <>
            <p>
              <strong>
                {checkpoint.data.checkpoints.length === 1
                  ? "1 note signed."
                  : `${checkpoint.data.checkpoints.length} notes signed.`}
              </strong>
            </p>
            {checkpoint.data.checkpoints.map((note, at) => (
              <pre key={at} className="note">
                {note}
              </pre>
            ))}
          </>
        )}
      </div>
      {checkpoint.isError && (
        <Failed error={checkpoint.error} title="No checkpoint was signed" onRetry={() => checkpoint.mutate()} />
      )}
    </div>
  );
}
