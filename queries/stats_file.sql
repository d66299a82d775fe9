-- Pages of the file, free pages, bytes of a page.
-- plan: scan (one row each)
SELECT page_count, freelist_count, page_size
FROM pragma_page_count
CROSS JOIN pragma_freelist_count
CROSS JOIN pragma_page_size;
