-- Where the samples are that a target's polls before an instant took, a row a piece.
SELECT j.kind, j.entity_min, j.entity_max, j.samples
FROM poll AS p INDEXED BY poll_sampled
CROSS JOIN journal AS j INDEXED BY journal_place ON j.poll = p.id
WHERE p.target = :target AND p.at_min_ms IS NOT NULL AND p.at_min_ms < :until_ms;
