-- The polls of a target that started in [from, until) and were kept after another poll.
SELECT id FROM poll WHERE target = :target AND started_ms >= :from_ms AND started_ms < :until_ms AND id > :poll;
