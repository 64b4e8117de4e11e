-- Versions of receipts that are not deleted, from the listings of the buckets: a mark of deletion has no ETag.
SELECT payment, region, etag, version, written_at, size
FROM (
    SELECT
        region,
        json_extract_scalar(line, '$$.payment') AS payment,
        json_extract_scalar(line, '$$.etag') AS etag,
        json_extract_scalar(line, '$$.version') AS version,
        TRY_CAST(json_extract_scalar(line, '$$.written_at') AS BIGINT) AS written_at,
        TRY_CAST(json_extract_scalar(line, '$$.size') AS BIGINT) AS size
    FROM ($lines) lines
) listed
LEFT JOIN (
    SELECT region AS marked_in, json_extract_scalar(line, '$$.payment') AS marked
    FROM ($lines) lines
    WHERE json_extract_scalar(line, '$$.etag') IS NULL
) marks ON marked = payment AND marked_in = region
WHERE etag IS NOT NULL AND marked IS NULL AND $among
