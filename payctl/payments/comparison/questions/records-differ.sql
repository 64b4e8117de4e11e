-- Do all Regions show the same record of a payment?
SELECT
    'different' AS kind,
    array_join(array_agg(records.region ORDER BY records.region), ', ') AS region,
    records.payment,
    'records differ by Region' AS detail,
    'the registers know which is right: payctl payments show ID; find out who wrote the other' AS remedy
FROM records
JOIN (
    SELECT payment FROM records GROUP BY payment HAVING min(content) <> max(content)
) differing ON differing.payment = records.payment
GROUP BY records.payment
