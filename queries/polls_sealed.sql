-- Notes of a target's polls before an instant that none of their samples is in the journal, where that is so; or of all of
-- them, where what is left there is of kinds that are recorded no more.
UPDATE poll
SET at_min_ms = NULL
WHERE id IN (
    SELECT p.id
    FROM poll AS p INDEXED BY poll_sampled
    WHERE p.target = :target AND p.at_min_ms IS NOT NULL AND p.at_min_ms < :until_ms
        AND (:is_all OR NOT EXISTS (SELECT 1 FROM journal WHERE poll = p.id))
);
