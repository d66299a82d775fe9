-- Makes an entity known, and gives its id.
INSERT INTO entity (kind, identity, ended_ms) VALUES (:kind, :identity, :ended_ms) RETURNING id;
