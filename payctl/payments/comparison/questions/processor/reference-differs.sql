-- Is the charge in the file the one that the payment was settled by?
SELECT
    'other reference' AS kind,
    '' AS region,
    settled.payment,
    'line ' || CAST(charges.line AS VARCHAR) || ': ' || charges.reference || ' charged, ' || settled.reference
        || ' settled' AS detail,
    'ask the processor what became of either; refund what was not settled' AS remedy
FROM charges
JOIN (
    SELECT payment, max(reference) AS reference FROM records WHERE status = 'SETTLED' GROUP BY payment
) settled ON settled.payment = charges.payment
WHERE charges.reference <> '' AND settled.reference <> charges.reference
