-- Do the columns of a record say what its Content says: the same end, and the payload of the hash that it names?
SELECT
    'different' AS kind,
    array_join(array_agg(region ORDER BY region), ', ') AS region,
    payment,
    'its Content is of another ' || contradicts || ': ' || coalesce(status, 'no status') || ', '
        || coalesce(CAST(amount AS VARCHAR), 'no amount') || ' ' || coalesce(currency, 'without currency') AS detail,
    'the registers know which is right: payctl payments show ID; find out who changed the record' AS remedy
FROM records
WHERE contradicts <> ''
GROUP BY payment, contradicts, status, amount, currency
