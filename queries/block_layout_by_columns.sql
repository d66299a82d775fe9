-- The id of a layout.
SELECT id FROM block_layout WHERE columns = :columns;
