-- Keeps a layout.
INSERT INTO block_layout (columns) VALUES (:columns) RETURNING id;
