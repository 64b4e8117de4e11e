-- Digests of the receipts that have versions with different ETags.
SELECT
    json_extract_scalar(line, '$$.payment') AS payment,
    json_extract_scalar(line, '$$.region') AS region,
    json_extract_scalar(line, '$$.digest') AS digest
FROM $lines
