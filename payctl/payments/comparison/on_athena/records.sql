-- Public records, from the exports of their tables.
SELECT
    payment,
    region,
    status,
    substr(lower(to_hex(sha256(to_utf8(text)))), 1, 32) AS content,
    TRY_CAST(amount AS DECIMAL(38, 4)) AS amount,
    currency,
    coalesce(json_extract_scalar(text, '$$.rail'), '') AS rail,
    coalesce(json_extract_scalar(text, '$$.reference'), '') AS reference,
    TRY_CAST(json_extract_scalar(text, '$$.at') AS BIGINT) AS decided_at
FROM (
    SELECT
        region,
        json_extract_scalar(line, '$$.Item.TransactionId.S') AS payment,
        json_extract_scalar(line, '$$.Item.Status.S') AS status,
        coalesce(json_extract_scalar(line, '$$.Item.Content.S'), '') AS text,
        json_extract_scalar(line, '$$.Item.Amount.N') AS amount,
        json_extract_scalar(line, '$$.Item.Currency.S') AS currency
    FROM ($lines) lines
) items
WHERE NOT starts_with(payment, ':') AND $among
