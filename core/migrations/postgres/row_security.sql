-- The second wall: a statement of the runtime role sees the territories that its connection named, and the
-- system chain. The list is read once a statement (the sub-select), not once a row. Run for each table that has
-- rows of territories.
ALTER TABLE medorder.{table} ENABLE ROW LEVEL SECURITY;
ALTER TABLE medorder.{table} FORCE ROW LEVEL SECURITY;
CREATE POLICY named ON medorder.{table} TO {role} USING (territory_id = '' OR territory_id
    = ANY ((SELECT string_to_array(current_setting('medorder.t', true), ','))::text[]));
CREATE POLICY owner_reads ON medorder.{table} FOR SELECT TO CURRENT_USER USING (true);
