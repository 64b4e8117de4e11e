-- Do all Regions show the same record of a payment?
SELECT
    'different' AS kind,
    array_join(array_agg(records.region ORDER BY records.region), ', ') AS region,
    records.payment,
    'records differ by Region: ' || coalesce(nullif(concat_ws(
        ', ',
        CASE WHEN min(records.content) <> max(records.content) THEN 'result' END,
        CASE WHEN min(records.status) <> max(records.status) THEN 'status' END,
        CASE WHEN min(records.amount) <> max(records.amount) THEN 'amount' END,
        CASE WHEN min(records.currency) <> max(records.currency) THEN 'currency' END
    ), ''), 'timestamp or details') AS detail,
    'the registers know which is right: payctl payments show ID; find out who wrote the other' AS remedy
FROM records
JOIN (
    SELECT payment FROM records GROUP BY payment HAVING min(content) <> max(content)
    UNION
    SELECT payment FROM records GROUP BY payment HAVING min(payload) <> max(payload)
) differing ON differing.payment = records.payment
GROUP BY records.payment
