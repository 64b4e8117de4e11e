-- Did the processor charge the amount and the currency that are settled here?
SELECT
    'other amount' AS kind,
    '' AS region,
    settled.payment,
    'line ' || CAST(charges.line AS VARCHAR) || ': ' || coalesce(CAST(charges.amount AS VARCHAR), 'no amount') || ' '
        || charges.currency || ' charged, ' || coalesce(CAST(settled.amount AS VARCHAR), 'no amount') || ' '
        || coalesce(settled.currency, 'without currency') || ' settled' AS detail,
    'refund the difference at the processor, or charge it as another payment' AS remedy
FROM charges
JOIN (
    SELECT payment, max(amount) AS amount, max(currency) AS currency
    FROM records
    WHERE status = 'SETTLED'
    GROUP BY payment
) settled ON settled.payment = charges.payment
WHERE charges.amount IS NULL OR charges.amount IS DISTINCT FROM settled.amount
    OR charges.currency IS DISTINCT FROM settled.currency
