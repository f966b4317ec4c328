-- The second wall: a statement of the runtime role sees the territories that its connection named, and the
-- system chain. The list is read once a statement (the sub-select), not once a row. Every statement names its
-- territory itself, so the planner must see neither an index condition here nor a second estimate of the same
-- condition: it would expect next to no rows, and sort whole lists for a page. COALESCE hides both. Run for each
-- table that has rows of territories.
ALTER TABLE medorder.{table} ENABLE ROW LEVEL SECURITY;
ALTER TABLE medorder.{table} FORCE ROW LEVEL SECURITY;
CREATE POLICY named ON medorder.{table} TO {role} USING (coalesce(territory_id = ANY ((SELECT
    string_to_array(',' || coalesce(current_setting('medorder.t', true), ''), ','))::text[]), false));
CREATE POLICY owner_reads ON medorder.{table} FOR SELECT TO CURRENT_USER USING (true);
