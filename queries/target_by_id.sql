-- A target's name, and when its newest good poll started.
SELECT name, good_started_ms FROM target WHERE id = :id;
