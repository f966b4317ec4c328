//! From a URL to connections, the checks of the server, and the making of the schema.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection};
use tokio::time::timeout;

use super::read::ALL_KEYS;
use super::rows::{self, Rows, Trouble, get};
use super::{PostgresInit, PostgresOptions};
use crate::audit::Head;
use crate::error::{Error, ErrorCode, Result};
use crate::storage::{Initial, KeyRow};

const INIT: &str = include_str!("../../../migrations/postgres/0001_init.sql");
const ROW_SECURITY: &str = include_str!("../../../migrations/postgres/row_security.sql");
const GRANTS: &str = include_str!("../../../migrations/postgres/grants.sql");
/// The tables that have rows of territories.
const TERRITORIAL: [&str; 4] = ["orders", "audit_entries", "idempotency", "relationships"];
const FORMAT: i64 = 1;
/// Bodies of functions in standard SQL came with it.
const OLDEST_SERVER: i32 = 140_000;
/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);

/// How to reach a database.
#[derive(Clone)]
pub(super) struct Settings {
    options: PgConnectOptions,
    /// Where to listen; `None`: nowhere, commits of others are found by polling.
    pub(super) listen: Option<PgConnectOptions>,
    /// A pooler hands the connection to somebody else after each transaction.
    pub(super) pooled: bool,
    pub(super) connections: u32,
    allow_fsync_off: bool,
}

impl Settings {
    pub(super) fn new(url: &str, options: &PostgresOptions) -> Result<Self> {
        let asked = parse(url)?;
        let listen = match &options.listen_url {
            Some(url) => {
                let other = parse(url)?;
                if other.pooled {
                    return Err(wrong("listen_url leads to a pooler, which cannot carry LISTEN"));
                }
                Some(direct(other.connect))
            }
            None => (asked.listen && !asked.pooled).then(|| direct(asked.connect.clone())),
        };
        let connect = if asked.pooled {
            // Statements of a name would be looked for on whichever connection comes next; and a pooler refuses
            // the settings it does not know, of which this is the driver's.
            asked.connect.statement_cache_capacity(0).extra_float_digits(None)
        } else {
            direct(asked.connect)
        };
        Ok(Self {
            options: connect,
            listen,
            pooled: asked.pooled,
            connections: options.connections.max(1),
            allow_fsync_off: options.allow_fsync_off,
        })
    }

    /// A new connection.
    pub(super) async fn connect(&self) -> Rows<PgConnection> {
        let mut conn = connect(&self.options).await?;
        if !self.pooled {
            // What the server's operator has set is kept if it is stronger, and pinned if it is not.
            let pinned = timeout(
                CONNECT,
                conn.fetch_one(
                    "SELECT set_config('default_transaction_isolation', 'read committed', false), \
                 set_config('synchronous_commit', CASE current_setting('synchronous_commit') \
                     WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, false), \
                 coalesce(current_setting('fsync', true)::bool, false)",
                ),
            );
            let server = pinned.await.map_err(|_| Trouble::Lost)??;
            if !get::<bool>(&server, 2)? && !self.allow_fsync_off {
                return Err(Trouble::NoFsync);
            }
        }
        Ok(conn)
    }

    /// The settings of the connection that listens and tells: never a pooler's.
    pub(super) fn listening(&self) -> Option<Self> {
        let options = self.listen.clone()?;
        Some(Self { options, pooled: false, ..self.clone() })
    }

    /// Refuses a server that could lose commits, a schema of another format, and a role that row-level security
    /// does not hold.
    pub(super) async fn check(&self, conn: &mut PgConnection) -> Result<()> {
        let server = conn
            .fetch_one(
                "SELECT current_setting('server_version_num')::int4, coalesce(current_setting('fsync', true)::bool, false), \
                 current_setting('server_encoding'), to_regclass('medorder.meta') IS NOT NULL, \
                 coalesce((SELECT bool_or(c.relrowsecurity AND (r.rolsuper OR r.rolbypassrls \
                     OR pg_has_role(r.oid, c.relowner, 'MEMBER'))) \
                     OR NOT (bool_and(c.relrowsecurity AND c.relforcerowsecurity) OR NOT bool_or(c.relrowsecurity)) \
                     FROM pg_class c, pg_roles r WHERE c.oid IN (to_regclass('medorder.orders'), \
                     to_regclass('medorder.audit_entries'), to_regclass('medorder.idempotency'), \
                     to_regclass('medorder.relationships')) AND c.relkind IN ('r', 'p') \
                     AND r.rolname = current_user), false)",
            )
            .await
            .map_err(|error| without_rights(error.into()))?;
        if get::<i32>(&server, 0)? < OLDEST_SERVER {
            return Err(unavailable("the server is older than PostgreSQL 14"));
        }
        if !get::<bool>(&server, 1)? && !self.allow_fsync_off {
            return Err(Trouble::NoFsync.into());
        }
        if get::<&str>(&server, 2)? != "UTF8" {
            return Err(unavailable("the database's encoding is not UTF8"));
        }
        if !get::<bool>(&server, 3)? {
            return Err(unsupported("the database has no medorder schema (an owner makes it with `init`)"));
        }
        if get::<bool>(&server, 4)? {
            return Err(unavailable(
                "row-level security does not hold this role; open with the runtime role, not with the owner's",
            ));
        }
        match format(conn).await? {
            Some(FORMAT) => Ok(()),
            _ => Err(unsupported("the medorder schema is of another format")),
        }
    }
}

/// What a url may say beside the place; anything else would be passed over with a log line that shows its value.
const THEIRS: [&str; 18] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
];

/// A URL without what is ours.
struct Parsed {
    connect: PgConnectOptions,
    pooled: bool,
    listen: bool,
}

/// What a connection to the server itself, without a pooler between, is opened with.
fn direct(connect: PgConnectOptions) -> PgConnectOptions {
    connect.options([
        ("search_path", "pg_catalog"),
        ("lock_timeout", "2000"),
        // Statements find their rows by key, so the plan without the values is as good as one for them; the server
        // would make a new one each time, which costs more than to run it.
        ("plan_cache_mode", "force_generic_plan"),
        // A cancelled wait for a synchronous standby would look like a commit.
        ("statement_timeout", "0"),
        // A machine that died in a transaction must not keep its territories' locks for hours.
        ("idle_in_transaction_session_timeout", "10000"),
        ("tcp_keepalives_idle", "10"),
        ("tcp_keepalives_interval", "5"),
        ("tcp_keepalives_count", "3"),
        ("tcp_user_timeout", "20000"),
    ])
}

fn parse(url: &str) -> Result<Parsed> {
    let bad = |_| wrong("the url of the database is malformed");
    let (base, query) = url.split_once('?').unwrap_or((url, ""));
    let (mut pooled, mut listen, mut has_mode) = (false, true, false);
    let mut theirs = Vec::new();
    for part in query.split('&').filter(|part| !part.is_empty()) {
        match part.split_once('=').unwrap_or((part, "")) {
            ("pooler", "transaction") => pooled = true,
            ("pooler", "none") | ("listen", "on") => {}
            ("listen", "off") => listen = false,
            ("pooler" | "listen", _) => {
                return Err(wrong(
                    "the url of the database has an option that is not known; known are sslmode, sslrootcert, sslcert, \
                     sslkey, host, hostaddr, port, dbname, user, password, application_name, options, pooler and listen",
                ));
            }
            (name, _) if !THEIRS.contains(&name) && !name.starts_with("options[") => {
                return Err(wrong(
                    "the url of the database has an option that is not known; known are sslmode, sslrootcert, sslcert, \
                     sslkey, host, hostaddr, port, dbname, user, password, application_name, options, pooler and listen",
                ));
            }
            (name, _) => {
                has_mode |= matches!(name, "sslmode" | "ssl-mode");
                theirs.push(part);
            }
        }
    }
    let rest = if theirs.is_empty() { base.to_owned() } else { format!("{base}?{}", theirs.join("&")) };
    let mut connect = PgConnectOptions::from_str(&rest).map_err(bad)?.disable_statement_logging();
    if !has_mode && connect.get_socket().is_none() {
        connect = connect.ssl_mode(PgSslMode::VerifyFull);
    }
    if connect.get_application_name().is_none() {
        connect = connect.application_name("medorder");
    }
    Ok(Parsed { connect, pooled, listen })
}

async fn connect(options: &PgConnectOptions) -> Rows<PgConnection> {
    match timeout(CONNECT, PgConnection::connect_with(options)).await {
        Ok(connected) => connected.map_err(|error| Trouble::Away(why(&error))),
        Err(_) => Err(Trouble::Away("the database server does not answer")),
    }
}

/// Looks whether somebody can sign in at `url`.
pub(super) async fn reach(url: &str) -> Result<()> {
    let conn = connect(&parse(url)?.connect).await?;
    // It was only a look.
    let _ = conn.close().await;
    Ok(())
}

/// Why no connection can be made, in words of ours: those of drivers and servers may quote the url.
fn why(error: &sqlx::Error) -> &'static str {
    if let sqlx::Error::Database(error) = error {
        return match error.code().as_deref() {
            Some("28P01") => {
                "the server refuses the password of the url's role (PGPASSWORD, or a line in .pgpass)"
            }
            Some("28000") => "the server does not know the url's role, or does not let it in (pg_hba.conf)",
            Some("3D000") => "the server has no such database (createdb)",
            Some("53300") => "the server has no connection left (max_connections)",
            _ => "the server refuses the connection",
        };
    }
    let text = format!("{error:?}");
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if has(&["does not support TLS", "not support SSL", "server does not support"]) {
        "the server offers no TLS, and the url asks for it (sslmode=disable where the network is trusted)"
    } else if has(&["NotValidForName"]) {
        "the server's certificate is not for the host of the url"
    } else if has(&["InvalidCertificate", "UnknownIssuer"]) {
        "the server's certificate is not from an authority that is trusted here (sslrootcert=FILE)"
    } else if has(&["lookup address", "Name or service", "nodename nor servname"]) {
        "the host of the url is not known"
    } else if has(&["NotFound", "PermissionDenied"]) {
        "a file or socket that the url names cannot be read (sslrootcert, sslcert, sslkey, host)"
    } else if has(&["ConnectionRefused"]) {
        "no server listens at the host and port of the url"
    } else {
        "the database server cannot be reached"
    }
}

/// Makes schema, grants and first keys in one transaction, with the owner's URL. A schema that exists is left as
/// it is, but for the grants, and refused if it has other partitions than those asked for; the
/// loser of a race finds the winner's. Answers the keys that stand there then.
pub(super) async fn init(url: &str, settings: &PostgresInit, initial: &Initial) -> Result<Vec<KeyRow>> {
    let role = quoted(&settings.role)?;
    let mut conn = connect(&parse(url)?.connect).await?;
    let made = make(&mut conn, settings, &role, initial).await;
    if made.is_err() {
        // The connection ends anyway, and with it the transaction.
        let _ = conn.execute("ROLLBACK").await;
    }
    let _ = conn.close().await;
    made
}

async fn make(
    conn: &mut PgConnection,
    settings: &PostgresInit,
    role: &str,
    initial: &Initial,
) -> Result<Vec<KeyRow>> {
    let run = |sql: String| sqlx::raw_sql(AssertSqlSafe(sql));
    let known = sqlx::query(
        "SELECT rolsuper OR rolbypassrls, rolname = current_user FROM pg_roles WHERE rolname = $1",
    );
    let known = known.bind(&settings.role).fetch_optional(&mut *conn).await.map_err(Trouble::from)?;
    let Some(known) = known else {
        return Err(unavailable("the runtime role does not exist (CREATE ROLE .. LOGIN)"));
    };
    if get::<bool>(&known, 1)? {
        return Err(unavailable("the runtime role is the one of this url, which must be the owner's"));
    }
    if get::<bool>(&known, 0)? {
        return Err(unavailable(
            "the runtime role is a superuser or bypasses row-level security; take another one",
        ));
    }
    let begin = "BEGIN; SET LOCAL search_path = pg_catalog; SET LOCAL client_min_messages = warning; \
         SET LOCAL lock_timeout = '30s'; CREATE SCHEMA IF NOT EXISTS medorder; \
         CREATE TABLE IF NOT EXISTS medorder.making (one int); LOCK TABLE medorder.making IN ACCESS EXCLUSIVE MODE";
    run_retrying(conn, begin).await?;
    if exists(conn).await? {
        if format(conn).await? != Some(FORMAT) {
            return Err(unsupported("the medorder schema is of another format"));
        }
        let kept = conn
            .fetch_one(
                "SELECT c.relrowsecurity, (SELECT count(*) FROM pg_inherits i WHERE i.inhparent = c.oid) \
                 FROM pg_class c WHERE c.oid = 'medorder.orders'::regclass",
            )
            .await
            .map_err(Trouble::from)?;
        let (walled, parts) = (get::<bool>(&kept, 0)?, get::<i64>(&kept, 1)?);
        if settings.partitions > 0 && i64::from(settings.partitions) != parts {
            return Err(unsupported(format!(
                "the medorder schema has {parts} partitions, fixed when it was made"
            )));
        }
        if !settings.row_security && walled {
            return Err(unsupported("the medorder schema has row-level security, fixed when it was made"));
        }
    } else {
        let (partition, parts) = match settings.partitions {
            0 => ("", String::new()),
            count => ("PARTITION BY HASH (territory_id)", partitions(count)),
        };
        run(INIT.replace("{partition}", partition)).execute(&mut *conn).await.map_err(Trouble::from)?;
        if !parts.is_empty() {
            run(parts).execute(&mut *conn).await.map_err(Trouble::from)?;
        }
        if settings.row_security {
            for table in TERRITORIAL {
                let sql = ROW_SECURITY.replace("{table}", table);
                run(sql).execute(&mut *conn).await.map_err(Trouble::from)?;
            }
        }
        fill(conn, initial).await?;
    }
    run(GRANTS.replace("{role}", role)).execute(&mut *conn).await.map_err(Trouble::from)?;
    let keys = conn.fetch_all(ALL_KEYS).await.map_err(Trouble::from)?;
    let keys = keys.iter().map(rows::key).collect::<Rows<Vec<_>>>()?;
    conn.execute("DROP TABLE medorder.making; COMMIT").await.map_err(Trouble::from)?;
    Ok(keys)
}

/// Begins; two that create the schema at once meet in the catalog, and the second tries again.
async fn run_retrying(conn: &mut PgConnection, begin: &'static str) -> Result<()> {
    for _ in 0..20 {
        match conn.execute(begin).await.map_err(Trouble::from) {
            Ok(_) => return Ok(()),
            Err(Trouble::Refused(state))
                if matches!(&*state, "23505" | "42P06" | "42P07" | "XX000" | "40P01") => {}
            // The other one dropped the table that both lock.
            Err(Trouble::Foreign) => {}
            Err(trouble) => return Err(trouble.into()),
        }
        conn.execute("ROLLBACK").await.map_err(Trouble::from)?;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Err(unavailable("others make the schema at the same time; try again"))
}

async fn fill(conn: &mut PgConnection, initial: &Initial) -> Result<()> {
    let fill = async {
        sqlx::query("INSERT INTO medorder.meta VALUES (1, $1, $2)")
            .bind(initial.generation)
            .bind(FORMAT)
            .execute(&mut *conn)
            .await?;
        let head = Head::genesis("");
        sqlx::query("INSERT INTO medorder.territories VALUES ('', 1, true, 0, $1, $2)")
            .bind(head.hash)
            .bind(head.at)
            .execute(&mut *conn)
            .await?;
        for key in &initial.keys {
            sqlx::query("INSERT INTO medorder.keys VALUES ($1, $2, $3, $4)")
                .bind(&key.purpose)
                .bind(&key.territory)
                .bind(i64::from(key.version))
                .bind(&key.blob)
                .execute(&mut *conn)
                .await?;
        }
        Ok::<(), sqlx::Error>(())
    };
    fill.await.map_err(|error| Trouble::from(error).into())
}

/// The partitions of every table that has rows of territories.
fn partitions(count: u16) -> String {
    let mut sql = String::new();
    for table in TERRITORIAL {
        for n in 0..count {
            sql.push_str(&format!(
                "CREATE TABLE medorder.{table}_{n} PARTITION OF medorder.{table} \
                 FOR VALUES WITH (MODULUS {count}, REMAINDER {n});"
            ));
        }
    }
    sql
}

async fn exists(conn: &mut PgConnection) -> Result<bool> {
    let row =
        conn.fetch_one("SELECT to_regclass('medorder.meta') IS NOT NULL").await.map_err(Trouble::from)?;
    Ok(get(&row, 0)?)
}

async fn format(conn: &mut PgConnection) -> Result<Option<i64>> {
    let row = conn.fetch_optional("SELECT format FROM medorder.meta").await;
    match row.map_err(Trouble::from) {
        Ok(row) => Ok(row.map(|row| get(&row, 0)).transpose()?),
        Err(Trouble::Foreign) => Ok(None),
        Err(trouble) => Err(without_rights(trouble)),
    }
}

/// The same, said more clearly if the role may not look into the schema.
fn without_rights(trouble: Trouble) -> Error {
    match trouble {
        Trouble::Refused(state) if state == "42501" => {
            unavailable("the role has no rights in the medorder schema (an owner grants them with `init`)")
        }
        trouble => trouble.into(),
    }
}

/// The role's name as an identifier; only plain names are taken.
fn quoted(role: &str) -> Result<String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-.".contains(&b);
    if role.is_empty() || role.len() > 63 || !role.bytes().all(plain) {
        return Err(unavailable("the runtime role's name may have letters, digits, `_`, `-` and `.` only"));
    }
    Ok(format!("\"{role}\""))
}

fn unavailable(what: &'static str) -> Error {
    Error::new(ErrorCode::StorageUnavailable, what)
}

fn wrong(what: &'static str) -> Error {
    Error::new(ErrorCode::ValidationError, what)
}

fn unsupported(what: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorCode::SchemaUnsupported, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_is_checked_unless_the_url_says_otherwise() {
        let mode = |url| parse(url).map(|parsed| parsed.connect.get_ssl_mode()).map_err(|error| error.code());
        assert!(matches!(mode("postgres://app@db.example/orders"), Ok(PgSslMode::VerifyFull)));
        assert!(matches!(
            mode("postgres://app@db.example/orders?pooler=transaction"),
            Ok(PgSslMode::VerifyFull)
        ));
        assert!(matches!(mode("postgres://app@localhost/orders?sslmode=disable"), Ok(PgSslMode::Disable)));
        assert!(matches!(mode("postgres://app@%2Frun%2Fpostgresql/orders"), Ok(PgSslMode::Prefer)));
    }

    #[test]
    fn our_own_options_are_taken_out() {
        let parsed = parse("postgres://a@h/d?pooler=transaction&application_name=x&listen=off").unwrap();
        assert!(parsed.pooled && !parsed.listen);
        assert_eq!(parsed.connect.get_application_name(), Some("x"));
        for url in ["postgres://a@h/d?pooler=session", "postgres://a@h/d?listen=maybe", "postgres://a@h:x/d"]
        {
            let error = parse(url).err().map(|error| error.code());
            assert_eq!(error, Some(ErrorCode::ValidationError), "{url}");
        }
    }

    #[test]
    fn a_role_is_a_plain_name() {
        assert_eq!(quoted("medorder_app").unwrap(), "\"medorder_app\"");
        for bad in ["", "a\"b", "a b", "a;b"] {
            assert!(quoted(bad).is_err(), "{bad}");
        }
    }
}
