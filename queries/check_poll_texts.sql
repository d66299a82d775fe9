-- What people are told about polls.
-- plan: scan (all are checked)
SELECT id, error, missing FROM poll WHERE error IS NOT NULL OR missing <> '[]';
