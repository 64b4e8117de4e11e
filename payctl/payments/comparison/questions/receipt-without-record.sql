-- Does every receipt belong to a payment that some Region shows?
SELECT
    'different' AS kind,
    receipts.region,
    receipts.payment,
    'a receipt, but no record anywhere' AS detail,
    'payctl payments show ID: where the registers know it, the janitor writes the record' AS remedy
FROM receipts
LEFT JOIN (
    SELECT payment FROM records GROUP BY payment
) shown ON shown.payment = receipts.payment
WHERE shown.payment IS NULL
GROUP BY receipts.payment, receipts.region
