-- The tables of a name that may be dbctl's: the one in its own schema, and those where earlier
-- versions of dbctl kept it: on the search_path and beside the version table. Of the latter only
-- what belongs to somebody who could reach this role anyway: a trigger of another role's table
-- would run with the privileges of whoever writes to it.
with path as materialized (
    select {session_schemas} as schemas
),
versions as (
    select c.relnamespace, c.relowner
    from path, pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where c.relname = cast(cast(:usual_version_table as text) as name)
      and n.nspname = any (path.schemas)
    order by pg_catalog.array_position(path.schemas, n.nspname)
    limit 1
),
visible as (
    select c.oid
    from path, pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where c.relname = cast(cast(:name as text) as name)
      and n.nspname = any (path.schemas)
    order by pg_catalog.array_position(path.schemas, n.nspname)
    limit 1
)

select
    n.nspname::text as schema,
    n.nspname = cast(cast(:schema as text) as name) as in_place,
    pg_catalog.has_schema_privilege(n.oid, 'USAGE')
        and pg_catalog.has_table_privilege(c.oid, 'SELECT') as readable,
    pg_catalog.has_schema_privilege(n.oid, 'USAGE')
        and pg_catalog.has_table_privilege(c.oid, 'INSERT') as insertable,
    pg_catalog.pg_has_role(c.relowner, 'USAGE') as owned,
    pg_catalog.pg_get_userbyid(c.relowner)::text as owner,
    pg_catalog.array_to_string(
        array(
            select a.attname::text
            from pg_catalog.pg_attribute a
            where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
            order by a.attnum
        ),
        ','
    ) as columns
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relname = cast(cast(:name as text) as name)
  and c.relkind = 'r'
  and (
      n.nspname = cast(cast(:schema as text) as name)
      or (
          (
              c.oid in (select visible.oid from visible)
              or n.oid in (select v.relnamespace from versions v)
          )
          and pg_catalog.left(n.nspname::text, 3) <> 'pg_'
          and exists (
              select from pg_catalog.pg_roles owner
              where owner.oid = c.relowner
                and (
                    owner.rolsuper
                    or owner.rolname = current_user
                    or owner.oid in (select v.relowner from versions v)
                    or owner.oid = (
                        select d.datdba from pg_catalog.pg_database d
                        where d.datname = pg_catalog.current_database()
                    )
                    or (
                        pg_catalog.pg_has_role(owner.oid, 'USAGE')
                        and not (
                            select me.rolsuper from pg_catalog.pg_roles me
                            where me.rolname = current_user
                        )
                    )
                )
          )
      )
  )
order by in_place desc, n.nspname
