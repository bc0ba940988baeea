-- The schema that the session makes tables in, and finds them first.
select ({session_schemas})[1]::text
