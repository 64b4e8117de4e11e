-- Is what a register holds of a payment the payload of the hash that it holds?
SELECT
    'different' AS kind,
    array_join(array_agg(region ORDER BY region), ', ') AS region,
    payment,
    'intent and hash of the cell contradict each other' AS detail,
    'the other registers know which is right: payctl payments show ID; find out who changed the cell' AS remedy
FROM cells
WHERE contradicts
GROUP BY payment
