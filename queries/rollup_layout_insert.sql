-- Keeps a rollup's layout.
INSERT INTO rollup_layout (fields) VALUES (:fields) RETURNING id;
