-- The fields of a rollup's layout.
SELECT fields FROM rollup_layout WHERE id = :id;
