-- Keeps a sample.
INSERT INTO {table} (poll, entity, at_ms, since_ms{columns})
VALUES (:poll, :entity, :at_ms, :since_ms{parameters});
