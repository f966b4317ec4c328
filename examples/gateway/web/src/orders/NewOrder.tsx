import { useInfiniteQuery } from "@tanstack/react-query";
import { useDeferredValue, useMemo, useState } from "react";

import * as api from "../api/client";
import type { Relationship } from "../api/types";
import { groupBy } from "../group";
import { useCaller, useTerritory } from "../session/territory";
import { Icon } from "../ui/icons";
import { shortId } from "../ui/ids";
import { useNotices } from "../ui/notices";
import { Empty, Failed, Loading, LoadMore } from "../ui/states";
import { BackToOrders } from "./BackToOrders";
import { OrderForm, type Patient } from "./OrderForm";
import { keys } from "./keys";
import { useCreateOrder } from "./queries";
import { broken, LIMITS } from "./rules";

/** First the patient, from those registered here, then the order. */
export function NewOrder() {
  const { territory } = useTerritory();
  const { notify } = useNotices();
  const create = useCreateOrder();
  const [patient, setPatient] = useState<Patient | null>(null);

  return (
    <section aria-labelledby="new-title" className="narrow">
      <div className="page-head">
        <BackToOrders />
        <h1 id="new-title" tabIndex={-1}>
          New order
        </h1>
        {patient && (
          <button type="button" className="button button-quiet" onClick={() => setPatient(null)}>
            Other patient
          </button>
        )}
      </div>
      {patient ? (
        <OrderForm
          key={patient.patient_id}
          patient={patient}
          territory={territory}
          onSubmit={async (request) => {
            const order = await create.mutateAsync(request);
            notify("good", `Order ${shortId(order.id)} was placed.`);
            location.hash = "#/orders";
          }}
        />
      ) : (
        <PatientPicker onPick={setPatient} />
      )}
    </section>
  );
}

function usePatients() {
  const caller = useCaller();
  const { territory } = useTerritory();
  const query = useInfiniteQuery({
    queryKey: keys.patients(territory),
    queryFn: ({ pageParam }) =>
      api.relationships(caller, {
        limit: 500,
        after: pageParam,
      }),
    initialPageParam: null as Relationship | null,
    getNextPageParam: (page) => page.next,
  });
  const patients = useMemo(() => {
    const all = query.data?.pages.flatMap((page) => page.relationships) ?? [];
    return [...groupBy(all, (pair) => pair.patient_id)].map(([patient_id, pairs]) => ({
      patient_id,
      providers: pairs.map((pair) => pair.provider_id),
    }));
  }, [query.data]);
  return { query, patients };
}

const SHOWN = 50;

function PatientPicker({ onPick }: { onPick(patient: Patient): void }) {
  const { territory } = useTerritory();
  const caller = useCaller();
  const { query, patients } = usePatients();
  const [typed, setTyped] = useState("");
  const [missing, setMissing] = useState<string | null>(null);
  const [failure, setFailure] = useState<unknown>(null);
  const wanted = useDeferredValue(typed).toLowerCase();
  const found = patients.filter((patient) => patient.patient_id.toLowerCase().includes(wanted));

  /** A registry too long to load knows the patient anyway; its id is asked for exactly. */
  async function lookUp() {
    if (broken(typed, { longest: LIMITS.id, required: true }) !== null) return;
    const known = patients.find((patient) => patient.patient_id === typed);
    if (known) return onPick(known);
    setFailure(null);
    try {
      const page = await api.relationships(caller, { patient_id: typed, limit: 500 });
      const providers = page.relationships.map((pair) => pair.provider_id);
      if (providers.length > 0) onPick({ patient_id: typed, providers });
      else setMissing(typed);
    } catch (error) {
      setFailure(error);
    }
  }

  if (query.isPending) return <Loading label="Loading patients" lines={6} />;
  if (query.isError && patients.length === 0) {
    return <Failed error={query.error} title="The patients could not be loaded" onRetry={() => void query.refetch()} />;
  }
  return (
    <div className="card picker">
      <h2>Choose the patient</h2>
      <form
        role="search"
        onSubmit={(event) => {
          event.preventDefault();
          if (found.length === 1 && found[0]) onPick(found[0]);
          else void lookUp();
        }}
      >
        <label className="search">
          <Icon name="search" />
          <span className="visually-hidden">Patient id</span>
          <input
            type="search"
            value={typed}
            autoComplete="off"
            spellCheck={false}
            placeholder="Part of the patient id"
            onChange={(event) => {
              setTyped(event.target.value);
              setMissing(null);
            }}
          />
        </label>
      </form>
      {failure !== null && <Failed error={failure} title="The patient could not be looked up" />}
      <p className="quiet" aria-live="polite">
        {missing !== null
          ? "No such patient is registered here."
          : `${found.length} of ${patients.length} registered patients in ${territory}`}
      </p>
      {patients.length === 0 && <Empty icon="search" title="No patient is registered in this territory" />}
      {found.length > 0 && (
        <ul className="patients">
          {found.slice(0, SHOWN).map((patient) => (
            <li key={patient.patient_id}>
              <button type="button" onClick={() => onPick(patient)}>
                <span className="id">{patient.patient_id}</span>
                <span className="quiet">
                  {patient.providers.length === 1 ? "1 provider" : `${patient.providers.length} providers`}
                </span>
                <Icon name="right" />
              </button>
            </li>
          ))}
        </ul>
      )}
      {found.length > SHOWN && <p className="quiet">Type more of the id to narrow this down.</p>}
      {query.hasNextPage && (
        <div className="row">
          <LoadMore query={query} label="Load more patients" />
          {typed !== "" && (
            <button type="button" className="button" onClick={() => void lookUp()}>
              Look up this exact id
            </button>
          )}
        </div>
      )}
    </div>
  );
}
