-- Keeps an attribute set, and gives its id.
INSERT INTO attribute_set (hash, body) VALUES (:hash, :body) RETURNING id;
