-- Files of JSON, a line each, as they are: names within are told apart by case, which Athena's own JSON tables do not.
CREATE EXTERNAL TABLE $made (line string)
LOCATION '$place'
