-- Digests of the receipts that were read, and of those that the records make.
SELECT
    json_extract_scalar(line, '$$.payment') AS payment,
    json_extract_scalar(line, '$$.region') AS region,
    json_extract_scalar(line, '$$.digest') AS digest,
    json_extract_scalar(line, '$$.expected') AS expected
FROM $lines
