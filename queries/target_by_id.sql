-- A target's name, when its newest good poll started, and how far that saw.
SELECT name, good_started_ms, good_seen_until_ms FROM target WHERE id = :id;
