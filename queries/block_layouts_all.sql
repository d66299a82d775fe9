-- All layouts of blocks.
-- plan: scan (one a version of a kind)
SELECT id, columns FROM block_layout;
