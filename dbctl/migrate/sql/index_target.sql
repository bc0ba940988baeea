-- What a statement builds: the table of that name, or that of the index of that name, and the latter's name
-- as the catalogue has it, folded and cut by the server itself.
select coalesce(
           pg_catalog.to_regclass(cast(:table_name as text))::oid,
           (select indrelid from pg_catalog.pg_index
            where indexrelid = pg_catalog.to_regclass(cast(:index_name as text))::oid)
       )::bigint as table_oid,
       (
           select part::name::text
           from unnest(pg_catalog.parse_ident(cast(:index_name as text))) with ordinality as named (part, place)
           order by place desc
           limit 1
       ) as index_name,
       (
           select relname::text from pg_catalog.pg_class
           where oid = pg_catalog.to_regclass(cast(:table_name as text))::oid
       ) as table_name
