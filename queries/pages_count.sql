-- How many pages hold something, and how many are free.
-- plan: scan (one row each)
SELECT page_count - freelist_count, freelist_count
FROM pragma_page_count
CROSS JOIN pragma_freelist_count;
