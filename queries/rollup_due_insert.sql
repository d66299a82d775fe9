-- A day of an entity is to be rolled up again.
INSERT OR IGNORE INTO rollup_due (entity, day_ms, ready_ms) VALUES (:entity, :day_ms, :ready_ms);
