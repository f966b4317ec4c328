-- What the runtime role may do: never DDL, never change or remove an entry, never touch a key but its blob.
GRANT USAGE ON SCHEMA medorder TO {role};
GRANT SELECT, UPDATE (generation) ON medorder.meta TO {role};
GRANT SELECT, INSERT, UPDATE (blob) ON medorder.keys TO {role};
GRANT SELECT, INSERT, UPDATE (epoch, active, seq, hash, at) ON medorder.territories TO {role};
GRANT SELECT, INSERT,
    UPDATE (status, version, updated_at, wrapped, seal, f1, f2, f3, f4, f5) ON medorder.orders TO {role};
GRANT SELECT, INSERT ON medorder.audit_entries, medorder.idempotency TO {role};
GRANT SELECT, INSERT, DELETE ON medorder.relationships TO {role};
GRANT SELECT, INSERT, UPDATE (note) ON medorder.checkpoints TO {role};
REVOKE ALL ON FUNCTION medorder.order_exists(bytea), medorder.strays() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION medorder.order_exists(bytea), medorder.strays() TO {role};
