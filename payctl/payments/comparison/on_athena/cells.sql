-- Cells of the registers, from the exports of their tables.
SELECT
    payment,
    region,
    json_extract_scalar(text, '$$.status') AS status,
    substr(lower(to_hex(sha256(to_utf8(text)))), 1, 32) AS content,
    coalesce(TRY_CAST(json_extract_scalar(text, '$$.at') AS BIGINT), TRY_CAST(accepted_at AS BIGINT)) AS decided_at,
    TRY_CAST(due_at AS BIGINT) AS due_at,
    $comparable AS payload,
    $contradicts AS contradicts
FROM (
    SELECT
        region,
        json_extract_scalar(line, '$$.Item.TransactionId.S') AS payment,
        json_extract_scalar(line, '$$.Item.result.S') AS text,
        json_extract_scalar(line, '$$.Item.accepted_at.N') AS accepted_at,
        json_extract_scalar(line, '$$.Item.due_at.N') AS due_at,
        json_extract_scalar(line, '$$.Item.hash.S') AS hash,
        json_extract_scalar(line, '$$.Item.intent.S') AS payload
    FROM ($lines) lines
) items
WHERE NOT starts_with(payment, ':') AND $among
