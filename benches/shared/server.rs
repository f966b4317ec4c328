//! A PostgreSQL server that goes away with the program, also after a panic or a kill; or one of the user's own.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Executor, Row};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

/// The role that the library runs as.
pub const ROLE: &str = "medorder_app";

/// Larger than the server's defaults, which are made for small machines: else checkpoints come every few seconds
/// of a benchmark. What an acknowledged commit means is left alone: fsync and synchronous_commit are on.
const SETTINGS: [&str; 5] = [
    "listen_addresses=127.0.0.1",
    "shared_buffers=512MB",
    "max_wal_size=4GB",
    "max_connections=200",
    "fsync=on",
];

/// A server, its owner's connection string, and how to leave it as it was.
pub struct Server {
    /// `postgres://user@host:port`, without a database.
    base: String,
    query: String,
    runtime: Runtime,
    own: Option<(Child, TempDir)>,
}

impl Server {
    /// Starts a server on a free loopback port, or takes the one at `url` (its user must be allowed to make
    /// databases and roles).
    ///
    /// # Panics
    /// If there is no server to start or to reach.
    #[must_use]
    pub fn start(url: Option<&str>) -> Self {
        let (base, query, own) = match url {
            Some(url) => {
                let (start, query) = url.split_once('?').unwrap_or((url, ""));
                let host = start.find("://").map_or(0, |at| at + 3);
                let end = start[host..].find('/').map_or(start.len(), |at| at + host);
                (start[..end].to_owned(), format!("?{query}"), None)
            }
            None => {
                let (port, child, folder) = launch();
                (
                    format!("postgres://medorder@127.0.0.1:{port}"),
                    "?sslmode=disable".to_owned(),
                    Some((child, folder)),
                )
            }
        };
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let server = Self { base, query, runtime, own };
        server.wait();
        let role = format!("SELECT count(*) FROM pg_roles WHERE rolname = '{ROLE}'");
        if server.number("postgres", &role) == 0 {
            server.run("postgres", &format!("CREATE ROLE {ROLE} LOGIN"));
        }
        server
    }

    /// The owner's connection string of a database.
    #[must_use]
    pub fn owner(&self, database: &str) -> String {
        format!("{}/{database}{}", self.base, self.query)
    }

    /// The runtime role's connection string of a database.
    #[must_use]
    pub fn app(&self, database: &str) -> String {
        let (scheme, rest) = self.base.split_once("://").expect("a scheme");
        let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
        format!("{scheme}://{ROLE}@{host}/{database}{}", self.query)
    }

    /// Makes an empty database, or a copy of `template`. One that stands there from an earlier run goes.
    pub fn create(&self, database: &str, template: Option<&str>) {
        self.drop(database);
        let template = template.map_or_else(String::new, |name| format!(" TEMPLATE {name}"));
        self.run("postgres", &format!("CREATE DATABASE {database}{template}"));
        // Else the first row that is measured pays for what was just written.
        self.run("postgres", "CHECKPOINT");
    }

    /// Removes a database.
    pub fn drop(&self, database: &str) {
        self.run("postgres", &format!("DROP DATABASE IF EXISTS {database} (FORCE)"));
    }

    /// Runs statements as the owner.
    ///
    /// # Panics
    /// If one fails.
    pub fn run(&self, database: &str, sql: &str) {
        self.runtime.block_on(async {
            let mut conn = PgConnection::connect(&self.owner(database)).await.expect("the server answers");
            conn.execute(AssertSqlSafe(sql)).await.expect("a statement");
            conn.close().await.expect("an end");
        });
    }

    /// The one number that a query answers.
    ///
    /// # Panics
    /// If it fails.
    #[must_use]
    pub fn number(&self, database: &str, sql: &str) -> i64 {
        self.runtime.block_on(async {
            let mut conn = PgConnection::connect(&self.owner(database)).await.expect("the server answers");
            let row = conn.fetch_one(AssertSqlSafe(sql)).await.expect("a number");
            conn.close().await.expect("an end");
            row.get::<i64, _>(0)
        })
    }

    /// Bytes of the tables and indexes of the engine's schema, a stored order, after a VACUUM.
    #[must_use]
    pub fn bytes_per_order(&self, database: &str) -> f64 {
        self.run(database, "VACUUM ANALYZE");
        self.bytes(database) as f64 / self.number(database, "SELECT count(*) FROM medorder.orders") as f64
    }

    /// Bytes of the tables and indexes of the engine's schema.
    #[must_use]
    pub fn bytes(&self, database: &str) -> i64 {
        self.number(
            database,
            "SELECT sum(pg_total_relation_size(c.oid))::bigint FROM pg_class c \
             JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'medorder' AND c.relkind = 'r'",
        )
    }

    /// The server's version as it says it.
    #[must_use]
    pub fn version(&self) -> i64 {
        self.number("postgres", "SELECT current_setting('server_version_num')::bigint / 10000")
    }

    fn wait(&self) {
        for _ in 0..200 {
            let tried = self.runtime.block_on(PgConnection::connect(&self.owner("postgres")));
            match tried {
                Ok(_) => return,
                Err(_) if self.own.is_some() => std::thread::sleep(Duration::from_millis(50)),
                Err(error) => panic!("no server at {}: {error}", self.base),
            }
        }
        panic!("the server does not start");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some((child, _)) = &mut self.own {
            // SIGINT is PostgreSQL's fast shutdown. It may be gone already.
            let _ = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
            let _ = child.wait();
        }
    }
}

/// Makes a cluster and starts its server; the kernel stops it when this program dies.
fn launch() -> (u16, Child, TempDir) {
    let bin = binaries();
    let folder = tempfile::Builder::new().prefix("medorder-bench-pg").tempdir().expect("a temporary folder");
    let root = std::fs::metadata("/proc/self").is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0);
    let data = folder.path().join("data");
    let prepared = if root {
        Command::new("chown")
            .arg("postgres:postgres")
            .arg(folder.path())
            .status()
            .is_ok_and(|done| done.success())
    } else {
        true
    };
    assert!(prepared, "no user postgres");
    let mut init = as_postgres(root, &bin.join("initdb"));
    init.arg("-D").arg(&data).args([
        "-U",
        "medorder",
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--locale=C",
        "--no-sync",
    ]);
    let output = init.output().expect("initdb runs");
    assert!(output.status.success(), "initdb: {}", String::from_utf8_lossy(&output.stderr));
    let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port();
    let log = std::fs::File::create(folder.path().join("log")).expect("a log");
    let mut serve = as_postgres(root, &bin.join("postgres"));
    serve.arg("-D").arg(&data).args(["-p", &port.to_string(), "-k"]).arg(folder.path());
    for setting in SETTINGS {
        serve.args(["-c", setting]);
    }
    let child =
        serve.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().expect("the server starts");
    (port, child, folder)
}

/// The server refuses to run as root; `setpriv` also ties its life to ours.
fn as_postgres(root: bool, program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "INT"]);
    if root {
        command.args(["--reuid", "postgres", "--regid", "postgres", "--init-groups"]);
    }
    command.arg("--").arg(program).current_dir("/");
    command
}

/// The newest installed server's programs.
fn binaries() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<(u32, PathBuf)> = folders
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            let bin = entry.path().join("bin");
            bin.join("postgres").exists().then_some((version, bin))
        })
        .collect();
    found.sort();
    found.pop().map(|(_, bin)| bin).expect("PostgreSQL is installed (Debian: apt-get install postgresql)")
}
