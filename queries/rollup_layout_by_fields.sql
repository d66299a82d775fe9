-- The id of a rollup's layout.
SELECT id FROM rollup_layout WHERE fields = :fields;
