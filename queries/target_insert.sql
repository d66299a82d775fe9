-- Names a target, and gives its id.
INSERT INTO target (name) VALUES (:name) RETURNING id;
