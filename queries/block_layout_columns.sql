-- The columns of a layout.
SELECT columns FROM block_layout WHERE id = :id;
