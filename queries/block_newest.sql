-- The newest sample's time in the blocks of an entity: windows do not overlap, so it is in the last of them.
SELECT at_max_ms
FROM block
WHERE entity = :entity
ORDER BY id DESC
LIMIT 1;
