-- Everything that the schema holds.
-- plan: scan (all is checked)
SELECT name, type || ' of ' || tbl_name || ': ' || coalesce(sql, '') FROM sqlite_schema;
