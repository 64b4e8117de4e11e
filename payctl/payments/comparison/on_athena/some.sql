-- What a table says of recent payments.
CREATE TABLE $made WITH (format = 'PARQUET') AS
SELECT everything.* FROM all_$made everything JOIN recent ON recent.payment = everything.payment
