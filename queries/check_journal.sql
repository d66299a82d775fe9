-- All pieces of the journal, with what their polls say.
-- plan: scan (all are checked)
SELECT
    journal.id, journal.poll, journal.kind, journal.entity_min, journal.entity_max, journal.samples, journal.layout,
    journal.body, poll.target, poll.at_min_ms, poll.at_max_ms
FROM journal
LEFT JOIN poll ON poll.id = journal.poll
ORDER BY journal.poll, journal.kind, journal.entity_min;
