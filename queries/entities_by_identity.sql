-- The entities of a kind that have some identities: each with the place of its identity among them, from 1 on.
SELECT entity.id, wanted.rowid
FROM rarray(:identities) AS wanted
CROSS JOIN entity ON entity.kind = :kind AND entity.identity = wanted.value;
