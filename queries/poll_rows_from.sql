-- Notes the oldest time among those of a poll's samples that are still rows.
UPDATE poll SET at_min_ms = :at_min_ms WHERE id = :poll;
