-- Statements that people run every day, one a line.
SELECT id, name, row_number() OVER (PARTITION BY left(name,1) ORDER BY id DESC) FROM users
SELECT u.id, x.n FROM users u CROSS JOIN LATERAL (SELECT count(*) n FROM est e WHERE e.a > u.id) x
SELECT date_trunc('day', g)::date d, count(*) FROM generate_series(now() - interval '7 days', now(), '1 day') g GROUP BY 1
SELECT jsonb_path_query('{"a":[1,2,3]}', '$.a[*] ? (@ > 1)')
SELECT to_tsvector('english','cats and dogs') @@ websearch_to_tsquery('cat')
SELECT ts_headline('english','the quick fox', to_tsquery('fox')), ts_rank(to_tsvector('fox'), 'fox'::tsquery)
WITH RECURSIVE t(n) AS (VALUES (1) UNION ALL SELECT n+1 FROM t WHERE n < 10) SELECT sum(n) FROM t
SELECT * FROM est TABLESAMPLE SYSTEM (10) REPEATABLE (1)
SELECT * FROM est TABLESAMPLE SYSTEM_ROWS (5)
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY a), mode() WITHIN GROUP (ORDER BY b) FROM est
SELECT a, sum(b) FROM est GROUP BY ROLLUP (a) LIMIT 3
SELECT * FROM information_schema.columns WHERE table_name='users'
SELECT * FROM pg_stat_user_tables
SELECT * FROM pg_stat_activity
SELECT relname, pg_size_pretty(pg_total_relation_size(oid)) FROM pg_class ORDER BY pg_total_relation_size(oid) DESC LIMIT 5
SELECT * FROM pg_locks l JOIN pg_stat_activity a USING (pid)
SELECT * FROM pg_stat_replication
SELECT * FROM pg_settings WHERE name ~ 'work'
SELECT * FROM pg_stat_statements LIMIT 3
SELECT * FROM pg_stat_io LIMIT 2
SELECT * FROM pg_stat_wal
SELECT * FROM pg_stat_bgwriter
SELECT * FROM pg_stat_progress_vacuum
SELECT * FROM pg_indexes WHERE schemaname='public'
SELECT * FROM pg_matviews
SELECT * FROM pg_sequences
SELECT * FROM pg_prepared_statements
SELECT * FROM pg_cursors
SELECT * FROM pg_available_extensions
SELECT * FROM pg_available_extension_versions LIMIT 1
SELECT * FROM pg_timezone_names LIMIT 1
SELECT * FROM pg_file_settings LIMIT 1
SELECT * FROM pg_hba_file_rules LIMIT 1
SELECT * FROM pg_replication_slots
SELECT * FROM pg_stat_ssl
SELECT * FROM pg_config LIMIT 1
SELECT * FROM pg_backend_memory_contexts LIMIT 1
SELECT * FROM pg_shmem_allocations LIMIT 1
SELECT similarity('abc','abd'), 'abc' % 'abd', word_similarity('a','ab')
SELECT 'a=>1'::hstore -> 'a', hstore('a','b'), (each('a=>1'::hstore)).*
SELECT 'ABC'::citext = 'abc'
SELECT levenshtein('a','b'), soundex('robert'), metaphone('x',4)
SELECT unaccent('é')
SELECT 'a.b.c'::ltree <@ 'a'::ltree
SELECT earth_distance(ll_to_earth(1,2), ll_to_earth(3,4))
SELECT * FROM crosstab('SELECT 1,2,3') AS ct(a int, b int)
SELECT pg_get_functiondef(oid) FROM pg_proc WHERE proname='lvl3'
SELECT age(datfrozenxid), datname FROM pg_database
SELECT array_agg(id ORDER BY id) FILTER (WHERE id>0), string_agg(name, ', ') FROM users
SELECT json_agg(row_to_json(e)) FROM (SELECT a,b FROM est LIMIT 2) e
SELECT * FROM json_to_recordset('[{"a":1}]') AS x(a int)
SELECT regexp_matches('foobar','o+','g'), regexp_replace('a','a','b'), split_part('a,b',',',1)
SELECT CASE WHEN a % 2 = 0 THEN 'even' ELSE 'odd' END parity, count(*) FROM est GROUP BY 1
SELECT substring(name FOR 3), overlay(name placing 'x' from 1 for 2) FROM users
SELECT name FROM users ORDER BY random() LIMIT 1
SELECT md5(name), sha256(name::bytea), encode(digest_ok,'hex') FROM (SELECT name, sha256('a') digest_ok FROM users) q
SELECT gen_random_uuid(), clock_timestamp(), statement_timestamp()
SELECT width_bucket(a,0,100,10), count(*) FROM est GROUP BY 1
SELECT * FROM pg_stats WHERE tablename='est'
SELECT pg_relation_filepath('users'), pg_column_size(name), ctid, xmin FROM users
SELECT * FROM heap_page_items(get_raw_page('users',0))
SELECT * FROM pg_visibility('users')
SELECT bt_index_check('users_pkey')
SELECT pg_current_wal_lsn(), pg_walfile_name(pg_current_wal_lsn())
SELECT * FROM pg_stat_get_activity(NULL) LIMIT 1
SELECT xmlelement(name a, xmlattributes(1 as b)), xpath('/a', '<a/>')
SELECT lag(a) OVER w, first_value(b) OVER w FROM est WINDOW w AS (ORDER BY a ROWS UNBOUNDED PRECEDING) LIMIT 2
SELECT tstzrange(now(), now()+'1h') && tstzrange(now(), NULL), int4multirange(int4range(1,2))
SELECT * FROM ROWS FROM (generate_series(1,2), unnest(array['a','b'])) WITH ORDINALITY
SELECT has_table_privilege('users','select'), current_setting('search_path'), current_schemas(true)
SELECT obj_description('users'::regclass), col_description('users'::regclass,1), 'users'::regclass::oid
SELECT * FROM pg_ls_waldir()
SELECT inet '10.0.0.1' << inet '10.0.0.0/8', host('10.0.0.1'), to_char(now(),'YYYY-MM')
SELECT DISTINCT ON (left(name,1)) * FROM (SELECT id,name FROM users) q ORDER BY left(name,1), id
SELECT count(DISTINCT a), stddev(a), corr(a,b), bool_and(a>0) FROM est
(SELECT 1 AS a EXCEPT SELECT 2) UNION ALL SELECT 3
TABLE est ORDER BY a LIMIT 1
SELECT cast(:x AS int) + 1
SELECT a FROM est WHERE a = ANY(ARRAY[1,2,3]) AND b BETWEEN 1 AND 3
SELECT pg_sleep(0), version(), pg_postmaster_start_time(), pg_conf_load_time()
EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT * FROM est
