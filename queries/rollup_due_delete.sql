-- A day of an entity is rolled up.
DELETE FROM rollup_due WHERE entity = :entity AND day_ms = :day_ms;
