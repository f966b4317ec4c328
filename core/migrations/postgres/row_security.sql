-- The second wall: a statement of the runtime role sees the territories that its connection named, and the
-- system chain. The list is read once a statement (the sub-select), not once a row.
DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['orders', 'audit_entries', 'idempotency', 'relationships'] LOOP
        EXECUTE format('ALTER TABLE medorder.%I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE medorder.%I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY named ON medorder.%I TO {role} USING (territory_id = '''' OR territory_id '
            || '= ANY ((SELECT string_to_array(current_setting(''medorder.t'', true), '',''))::text[]))', name);
        EXECUTE format('CREATE POLICY owner_reads ON medorder.%I FOR SELECT TO CURRENT_USER USING (true)', name);
    END LOOP;
END $$;
