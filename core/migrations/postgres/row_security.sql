-- The second wall: a statement of the runtime role sees the territories that its connection named, and the
-- system chain. The list is read once a statement (the sub-select), not once a row. Every statement names its
-- territory itself, so the planner must see neither an index condition here nor a second estimate of the same
-- condition: it would expect next to no rows, and sort whole lists for a page. COALESCE hides both.
DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['orders', 'audit_entries', 'idempotency', 'relationships'] LOOP
        EXECUTE format('ALTER TABLE medorder.%I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE medorder.%I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY named ON medorder.%I TO {role} USING (coalesce(territory_id = ANY ((SELECT '
            || 'string_to_array('','' || coalesce(current_setting(''medorder.t'', true), ''''), '',''))::text[]), false))',
            name);
        EXECUTE format('CREATE POLICY owner_reads ON medorder.%I FOR SELECT TO CURRENT_USER USING (true)', name);
    END LOOP;
END $$;
