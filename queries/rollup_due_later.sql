-- A day of an entity is ready later than thought.
UPDATE rollup_due SET ready_ms = :ready_ms WHERE entity = :entity AND day_ms = :day_ms;
