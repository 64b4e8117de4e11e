-- Public records, from the exports of their tables.
SELECT
    payment,
    region,
    status,
    substr(lower(to_hex(sha256(to_utf8(text)))), 1, 32) AS content,
    TRY_CAST(amount AS DECIMAL(38, 4)) AS amount,
    currency,
    rail,
    reference,
    TRY_CAST(decided_at AS BIGINT) AS decided_at,
    coalesce($comparable, '') AS payload,
    $contradicts AS contradicts
FROM (
    SELECT *, $payload AS payload
    FROM (
        SELECT
            *,
            json_extract_scalar(text, '$$.status') AS told,
            json_extract_scalar(text, '$$.region') AS told_in,
            json_extract_scalar(text, '$$.account') AS account,
            json_extract_scalar(text, '$$.hash') AS hash,
            coalesce(json_extract_scalar(text, '$$.rail'), '') AS rail,
            coalesce(json_extract_scalar(text, '$$.reference'), '') AS reference,
            json_extract_scalar(text, '$$.at') AS decided_at
        FROM (
            SELECT
                region,
                json_extract_scalar(line, '$$.Item.TransactionId.S') AS payment,
                json_extract_scalar(line, '$$.Item.Status.S') AS status,
                coalesce(json_extract_scalar(line, '$$.Item.Content.S'), '') AS text,
                json_extract_scalar(line, '$$.Item.Amount.N') AS amount,
                json_extract_scalar(line, '$$.Item.Currency.S') AS currency,
                json_extract_scalar(line, '$$.Item.Timestamp.N') AS moment,
                json_extract_scalar(line, '$$.Item.Region.S') AS decided_in,
                coalesce(json_extract_scalar(line, '$$.Item.Details.S'), '') AS details
            FROM ($lines) lines
        ) items
    ) told
) shown
WHERE NOT starts_with(payment, ':') AND $among
