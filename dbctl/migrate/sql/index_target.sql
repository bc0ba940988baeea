-- What a statement builds: the table named $1, or that of the index named $2, and the latter's name
-- as the catalogue has it, folded and cut by the server itself.
select coalesce(
           pg_catalog.to_regclass($1)::oid,
           (select indrelid from pg_catalog.pg_index
            where indexrelid = pg_catalog.to_regclass($2))
       )::bigint as table_oid,
       (
           select part::name::text
           from unnest(pg_catalog.parse_ident($2)) with ordinality as named (part, place)
           order by place desc
           limit 1
       ) as index_name,
       (
           select relname::text from pg_catalog.pg_class
           where oid = pg_catalog.to_regclass($1)
       ) as table_name
