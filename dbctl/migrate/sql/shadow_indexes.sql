-- The indexes that a table and the temporary table of its name both have, by name. Their definition
-- comes in three parts: from the method on, then the storage parameters, then WHERE.
with
pair as (
    select c.oid, copy.oid as copy
    from unnest(cast(:oids as oid[])) as wanted (oid)
    join pg_catalog.pg_class c on c.oid = wanted.oid
    join
        pg_catalog.pg_class copy
        on copy.relname = c.relname and copy.relnamespace = pg_catalog.pg_my_temp_schema()
),

part as (
    select
        pair.oid,
        i.indrelid = pair.copy as modelled,
        ic.relname::text as name,
        i.indisvalid as valid,
        coalesce(s.spcname::text, '') as tablespace,
        array(
            select parameter from unnest(ic.reloptions) as parameter order by parameter
        ) as parameters,
        coalesce(' WHERE ' || pg_catalog.pg_get_expr(i.indpred, i.indrelid), '') as predicate,
        -- The names go: each is a plain word or within double quotes.
        pg_catalog.regexp_replace(
            pg_catalog.pg_get_indexdef(ic.oid),
            '^CREATE (UNIQUE )?INDEX ("([^"]|"")*"|[^" ]+) ON (ONLY )?'
            || '(("([^"]|"")*"|[^" .]+)[.])?("([^"]|"")*"|[^" .]+) ',
            '\1'
        ) as definition
    from pair
    join pg_catalog.pg_index i on i.indrelid in (pair.oid, pair.copy)
    join pg_catalog.pg_class ic on ic.oid = i.indexrelid
    left join pg_catalog.pg_tablespace s on s.oid = ic.reltablespace
    -- What stands behind a constraint is no index of its own.
    where not exists (
        select from pg_catalog.pg_constraint k
        where k.conindid = i.indexrelid and k.contype in ('p', 'u', 'x')
    )
),

cut as (
    select
        part.*,
        pg_catalog.regexp_replace(
            -- left(text, -0) would be empty.
            pg_catalog.left(definition, pg_catalog.length(definition) - pg_catalog.length(predicate)),
            case when parameters <> '{}' then ' WITH [(][^()]*[)]$' else '^$' end,
            ''
        ) as head
    from part
)

select
    actual.oid,
    actual.name,
    actual.valid,
    actual.tablespace,
    actual.head as actual_head,
    actual.parameters as actual_parameters,
    actual.predicate as actual_predicate,
    model.head as model_head,
    model.parameters as model_parameters,
    model.predicate as model_predicate
from cut as actual
join cut as model on model.oid = actual.oid and model.name = actual.name
where model.modelled and not actual.modelled
order by actual.name
