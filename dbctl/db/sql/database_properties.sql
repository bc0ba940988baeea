-- The statements that give the database `:new` what a copy of `:database` does not have from its
-- template: the owner, the privileges, and the settings for it and for a role in it.
with source as (
    select d.* from pg_catalog.pg_database d
    where d.datname operator(pg_catalog.=) cast(:database as pg_catalog.name)
)
select statement from (
    select 1 as step, pg_catalog.format(
        'alter database %I owner to %I', cast(:new as text), pg_catalog.pg_get_userbyid(s.datdba)
    ) as statement
    from source s
    union all
    select 2, pg_catalog.format('revoke all on database %I from public', cast(:new as text))
    from source s where s.datacl is not null
    union all
    select 3, pg_catalog.format(
        'grant %s on database %I to %s%s', a.privilege_type, cast(:new as text),
        case a.grantee when 0 then 'public'
            else pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) end,
        case when a.is_grantable then ' with grant option' else '' end
    )
    from source s, pg_catalog.aclexplode(s.datacl) a
    union all
    -- FROM CURRENT takes a list of schemas as a list, which a literal would not be.
    select 4, pg_catalog.format(
        'select pg_catalog.set_config(%L, %L, true); alter %s set %s from current',
        pg_catalog.split_part(c.setting, '=', 1),
        pg_catalog.substr(c.setting, pg_catalog.strpos(c.setting, '=') operator(pg_catalog.+) 1),
        case r.setrole when 0 then pg_catalog.format('database %I', cast(:new as text))
            else pg_catalog.format('role %I in database %I',
                pg_catalog.pg_get_userbyid(r.setrole), cast(:new as text)) end,
        (select pg_catalog.string_agg(pg_catalog.quote_ident(n.part), '.')
         from pg_catalog.unnest(pg_catalog.string_to_array(
             pg_catalog.split_part(c.setting, '=', 1), '.')) n (part))
    )
    from source s
    join pg_catalog.pg_db_role_setting r on r.setdatabase operator(pg_catalog.=) s.oid
    cross join pg_catalog.unnest(r.setconfig) c (setting)
) made
order by step
