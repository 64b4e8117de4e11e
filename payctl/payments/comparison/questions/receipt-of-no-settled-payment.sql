-- Does every receipt belong to a payment that is settled? One that ended otherwise has none: its receipt would say that
-- money was taken. Where no Region shows the payment, another question tells.
SELECT
    'different' AS kind,
    array_join(array_agg(written.region ORDER BY written.region), ', ') AS region,
    written.payment,
    'a receipt, but ' || min(shown.status) || ' here' AS detail,
    'ask the processor what became of the charge: payctl payments show ID; find out who wrote the receipt' AS remedy
FROM (
    SELECT payment, region FROM receipts GROUP BY payment, region
) written
JOIN (
    SELECT payment, coalesce(min(status), 'no status') AS status
    FROM records
    GROUP BY payment
    HAVING NOT bool_or(coalesce(status, '') = 'SETTLED')
) shown ON shown.payment = written.payment
GROUP BY written.payment
