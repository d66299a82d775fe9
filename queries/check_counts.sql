-- How many there are: polls, entities, versions, events, blocks, samples in blocks.
-- plan: scan (all are counted)
SELECT
    (SELECT count(*) FROM poll), (SELECT count(*) FROM entity), (SELECT count(*) FROM entity_version),
    (SELECT count(*) FROM event), (SELECT count(*) FROM block), (SELECT coalesce(sum(block.samples), 0) FROM block);
