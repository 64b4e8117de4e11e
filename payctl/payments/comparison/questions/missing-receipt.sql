-- Does every settled payment have its receipt in every Region's bucket?
SELECT
    'missing receipt' AS kind,
    regions.region,
    settled.payment,
    'settled, without a receipt' AS detail,
    'payctl reconcile --repair, once the Regions are healthy' AS remedy
FROM (
    SELECT payment FROM records WHERE status = 'SETTLED' GROUP BY payment
) settled
CROSS JOIN regions
LEFT JOIN (
    SELECT payment, region FROM receipts GROUP BY payment, region
) written ON written.payment = settled.payment AND written.region = regions.region
WHERE regions.has_bucket AND written.payment IS NULL
