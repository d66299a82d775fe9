-- Leaves of a piece only its last samples.
UPDATE journal SET entity_min = :entity_min, samples = :samples, body = :body WHERE id = :id;
