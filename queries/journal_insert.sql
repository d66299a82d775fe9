-- Keeps a piece of what a poll took of a kind.
INSERT INTO journal (poll, kind, entity_min, entity_max, samples, layout, body)
VALUES (:poll, :kind, :entity_min, :entity_max, :samples, :layout, :body);
