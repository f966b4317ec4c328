//! A PostgreSQL of the suites' own: started where nothing else listens, stopped with the process that started it.

use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Where Debian keeps one folder of programs a major version.
const VERSIONS: &str = "/usr/lib/postgresql";

/// The role that owns a database and its schema, and nothing beyond.
pub const OWNER: &str = "medorder";
/// The role that services run as.
pub const RUNTIME: &str = "medorder_app";

/// Puts a database back to what it was when [`BORN`] ran.
const RESET: &str = "BEGIN; DELETE FROM medorder.audit_entries; DELETE FROM medorder.orders; \
    DELETE FROM medorder.idempotency; DELETE FROM medorder.relationships; DELETE FROM medorder.checkpoints; \
    DELETE FROM medorder.territories; DELETE FROM medorder.keys; DELETE FROM medorder.meta; \
    INSERT INTO medorder.meta SELECT * FROM born.meta; INSERT INTO medorder.keys SELECT * FROM born.keys; \
    INSERT INTO medorder.territories SELECT * FROM born.territories; COMMIT";

/// What a template must be put back to.
const BORN: &str = "CREATE SCHEMA born; CREATE TABLE born.meta AS SELECT * FROM medorder.meta; \
    CREATE TABLE born.keys AS SELECT * FROM medorder.keys; \
    CREATE TABLE born.territories AS SELECT * FROM medorder.territories";

/// Makes a cluster, starts it, and waits until its input ends, which it does however the test ends; then stops
/// the server and removes everything.
const GUARD: &str = r#"
bin=$1 folder=$2
trap : INT TERM HUP PIPE
cd "$folder" || exit 1
"$bin/initdb" -D data -U postgres -A trust -E UTF8 --locale=C --no-sync >initdb.log 2>&1 ||
    { cat initdb.log >&2; exit 1; }
cat extra.conf >>data/postgresql.conf
if "$bin/pg_ctl" -D data -l server.log -w -t 60 start >start.log 2>&1; then
    echo ready
    cat >/dev/null
else
    cat start.log server.log >&2
fi
"$bin/pg_ctl" -D data -m immediate -w stop >/dev/null 2>&1
cd / && rm -rf "$folder"
"#;

/// What a server has beyond the ordinary.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    settings: Vec<String>,
    files: Vec<(String, Vec<u8>)>,
}

impl Setup {
    /// An ordinary server.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A line of `postgresql.conf`, such as `session_preload_libraries = 'auto_explain'`.
    #[must_use]
    pub fn setting(mut self, line: &str) -> Self {
        self.settings.push(line.to_owned());
        self
    }

    /// A file that only the server may read, such as the key of a certificate. Settings find it under
    /// `../name`, seen from the data folder.
    #[must_use]
    pub fn file(mut self, name: &str, content: impl Into<Vec<u8>>) -> Self {
        self.files.push((name.to_owned(), content.into()));
        self
    }
}

/// A running server.
pub struct Server {
    guard: Child,
    folder: PathBuf,
    port: u16,
    made: AtomicU32,
}

/// A database of a [`Server`], which goes away with it.
#[derive(Clone, Debug)]
pub struct Database {
    /// Where the server listens.
    pub port: u16,
    /// The database's name.
    pub name: String,
}

impl Server {
    /// The server that the suites of one test program share.
    ///
    /// # Panics
    /// If PostgreSQL is not installed or does not start.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Server> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(&Setup::new()))
    }

    /// Starts a server.
    ///
    /// # Panics
    /// If PostgreSQL is not installed or does not start.
    #[must_use]
    pub fn start(setup: &Setup) -> Self {
        // Somebody else may take the port in between; then the next one is tried.
        let server = (0..5).find_map(|_| Self::try_start(setup)).expect("PostgreSQL starts");
        server.sql("postgres", &format!("CREATE ROLE {OWNER} LOGIN"));
        server.sql("postgres", &format!("CREATE ROLE {RUNTIME} LOGIN"));
        server
    }

    fn try_start(setup: &Setup) -> Option<Self> {
        let folder = owned_folder("medorder-postgres-");
        let port = free_port();
        let settings = [
            format!("port = {port}"),
            "listen_addresses = '127.0.0.1'".to_owned(),
            format!("unix_socket_directories = '{}'", folder.display()),
            "max_connections = 300".to_owned(),
            "shared_buffers = '128MB'".to_owned(),
            "log_line_prefix = '%m [%p] %u@%d '".to_owned(),
        ];
        let settings =
            settings.iter().chain(&setup.settings).fold(String::new(), |all, line| all + line + "\n");
        put(&folder, "extra.conf", settings.as_bytes());
        for (name, content) in &setup.files {
            put(&folder, name, content);
        }
        let mut guard = guarded(GUARD, &[programs().as_os_str(), folder.as_os_str()]);
        let ready = heard_ready(&mut guard);
        ready.then(|| Self { guard, folder, port, made: AtomicU32::new(0) })
    }

    /// Where it listens.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// What it has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.log_from(&mut 0)
    }

    /// How many bytes it has logged so far.
    #[must_use]
    pub fn log_length(&self) -> u64 {
        std::fs::metadata(self.folder.join("server.log")).map_or(0, |meta| meta.len())
    }

    /// What it has logged since byte `from`, which moves to the end.
    #[must_use]
    pub fn log_from(&self, from: &mut u64) -> String {
        let mut bytes = Vec::new();
        if let Ok(mut file) = std::fs::File::open(self.folder.join("server.log"))
            && file.seek(SeekFrom::Start(*from)).is_ok()
        {
            let _ = file.read_to_end(&mut bytes);
        }
        *from += bytes.len() as u64;
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Every file of the cluster, by its place below the data folder.
    ///
    /// # Panics
    /// If one cannot be read: then the server runs and removes files.
    #[must_use]
    pub fn files(&self) -> Vec<(String, Vec<u8>)> {
        let data = self.folder.join("data");
        let (mut folders, mut files) = (vec![data.clone()], Vec::new());
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let name = path.strip_prefix(&data).expect("it is below").display().to_string();
                    files.push((name, std::fs::read(&path).expect("a file")));
                }
            }
        }
        files
    }

    /// An empty database that [`OWNER`] owns.
    #[must_use]
    pub fn database(&self) -> Database {
        self.database_like("template0")
    }

    /// A copy of a database to which nobody is connected.
    #[must_use]
    pub fn database_like(&self, template: &str) -> Database {
        let name = format!("d{}", self.made.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name} OWNER {OWNER} TEMPLATE {template}"));
        Database { port: self.port, name }
    }

    /// A copy of a database that is in use, dumped and restored.
    #[must_use]
    pub fn database_from(&self, source: &Database) -> Database {
        let copy = self.database();
        let mut dump = Command::new(programs().join("pg_dump"));
        dump.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", "postgres", &source.name]);
        let dump = dump.env("PGSSLMODE", "prefer").output().expect("pg_dump starts");
        assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
        let _ = copy.rows(&String::from_utf8(dump.stdout).expect("text"));
        copy
    }

    /// Removes a database, and whoever is connected to it.
    pub fn drop_database(&self, database: &Database) {
        self.sql("postgres", &format!("DROP DATABASE {} WITH (FORCE)", database.name));
    }

    /// Ends the server as a power failure would: no connection is told, nothing is flushed.
    pub fn crash(&self) {
        self.control(&["-m", "immediate", "-w", "stop"]);
    }

    /// Ends the server in order, its connections at once.
    pub fn stop(&self) {
        self.control(&["-m", "fast", "-w", "stop"]);
    }

    /// Starts it again, with crash recovery if need be.
    pub fn start_again(&self) {
        self.control(&["-l", "../server.log", "-w", "-t", "60", "start"]);
    }

    fn control(&self, arguments: &[&str]) {
        let data = self.folder.join("data");
        let mut command = as_server(&programs().join("pg_ctl"));
        let command = command.arg("-D").arg(&data).args(arguments).current_dir(&data);
        // A server that inherited a pipe of ours would keep it open for ever.
        let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        assert!(status.expect("pg_ctl starts").success(), "pg_ctl {arguments:?}: {}", self.log());
    }

    fn sql(&self, database: &str, statement: &str) -> Vec<Vec<String>> {
        query(self.port, database, "postgres", statement)
            .unwrap_or_else(|fault| panic!("{statement}: {fault}"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Its input ends, and the guard cleans up.
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

impl Database {
    /// The database that such a URL is of.
    #[must_use]
    pub fn of(url: &str) -> Option<Self> {
        let (_, place) = url.strip_prefix("postgres://")?.split_once('@')?;
        let (address, name) = place.split_once('/')?;
        let (_, port) = address.split_once(':')?;
        Some(Self { port: port.parse().ok()?, name: name.split('?').next()?.to_owned() })
    }

    /// The client of `role`, its cells parted by the unit separator.
    pub(crate) fn psql(&self, role: &str) -> Command {
        psql(self.port, &self.name, role)
    }

    /// The URL for `role`, straight to the server.
    #[must_use]
    pub fn url(&self, role: &str) -> String {
        self.url_at(self.port, role, "")
    }

    /// The URL for `role` through whatever listens at `port`, with more parameters such as `&listen=off`.
    #[must_use]
    pub fn url_at(&self, port: u16, role: &str, more: &str) -> String {
        format!("postgres://{role}@127.0.0.1:{port}/{}?sslmode=disable{more}", self.name)
    }

    /// The rows that `statement` answers, as the superuser sees them: cells as text, NULL empty.
    ///
    /// # Panics
    /// If the statement fails.
    #[must_use]
    pub fn rows(&self, statement: &str) -> Vec<Vec<String>> {
        self.rows_as("postgres", statement).unwrap_or_else(|fault| panic!("{statement}: {fault}"))
    }

    /// The first cell of the first row.
    ///
    /// # Panics
    /// If the statement fails or answers nothing.
    #[must_use]
    pub fn cell(&self, statement: &str) -> String {
        self.rows(statement).swap_remove(0).swap_remove(0)
    }

    /// Runs statements that answer nothing, as the superuser.
    ///
    /// # Panics
    /// If one fails.
    pub fn run(&self, statements: &str) {
        drop(self.rows(statements));
    }

    /// Keeps what [`put_back`](Self::put_back) needs, in this database and in its copies.
    pub fn remember(&self) {
        self.run(BORN);
    }

    /// Makes the database what it was when it was [remembered](Self::remember), as if nobody had used it: that is
    /// faster than to make another one.
    pub fn put_back(&self) {
        self.run(RESET);
    }

    /// The rows that `role` sees.
    ///
    /// # Errors
    /// What the server says against it, with its SQLSTATE.
    pub fn rows_as(&self, role: &str, statement: &str) -> Result<Vec<Vec<String>>, String> {
        query(self.port, &self.name, role, statement)
    }

    /// Ends the connections of services to this database that `condition` (over `pg_stat_activity`) selects;
    /// answers how many.
    #[must_use]
    pub fn cut(&self, condition: &str) -> usize {
        let statement = format!(
            "SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity \
             WHERE usename = '{RUNTIME}' AND datname = current_database() AND {condition}"
        );
        self.cell(&statement).parse().expect("a number")
    }

    /// Waits until `statement` answers `wanted`, which it must within ten seconds.
    pub fn wait_for(&self, statement: &str, wanted: &str) {
        let started = Instant::now();
        while self.cell(statement) != wanted {
            assert!(started.elapsed() < Duration::from_secs(10), "{statement} is never {wanted}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// The folder of the newest PostgreSQL on this machine.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn programs() -> PathBuf {
    let folders = std::fs::read_dir(VERSIONS).into_iter().flatten().flatten();
    let versions = folders.filter_map(|folder| folder.file_name().to_str()?.parse::<u32>().ok());
    let newest =
        versions.filter(|version| Path::new(&format!("{VERSIONS}/{version}/bin/initdb")).is_file()).max();
    let newest = newest.expect("PostgreSQL is installed; `cargo xtask test` installs it");
    PathBuf::from(format!("{VERSIONS}/{newest}/bin"))
}

/// A program run as the user that a server runs as: it refuses to run as root.
pub(crate) fn as_server(program: &Path) -> Command {
    if rustix::process::getuid().is_root() {
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    }
}

/// A folder that belongs to that user.
pub(crate) fn owned_folder(prefix: &str) -> PathBuf {
    let folder = tempfile::Builder::new().prefix(prefix).tempdir().expect("a temporary folder").keep();
    give(&folder, 0o700);
    folder
}

/// A file in such a folder that nobody else may read.
pub(crate) fn put(folder: &Path, name: &str, content: &[u8]) {
    let path = folder.join(name);
    std::fs::write(&path, content).expect("a file");
    give(&path, 0o600);
}

fn give(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("the file is ours");
    if rustix::process::getuid().is_root() {
        let id = |flag| {
            let output = Command::new("id").args([flag, "postgres"]).output().expect("`id` starts");
            let text = String::from_utf8(output.stdout).expect("text");
            text.trim().parse::<u32>().expect("the user postgres, who comes with the package postgresql")
        };
        chown(path, Some(id("-u")), Some(id("-g"))).expect("root may give files away");
    }
}

/// Runs a shell script that lives until its input ends.
pub(crate) fn guarded(script: &str, arguments: &[&std::ffi::OsStr]) -> Child {
    let mut command = as_server(Path::new("/bin/sh"));
    command.args(["-c", script, "guard"]).args(arguments).current_dir("/");
    // In a group of its own: a signal to the test's group must not end it before it has cleaned up.
    command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a shell starts")
}

pub(crate) fn heard_ready(guard: &mut Child) -> bool {
    let mut line = String::new();
    let output = guard.stdout.as_mut().expect("its output is a pipe");
    let _ = BufReader::new(output).read_line(&mut line);
    line == "ready\n"
}

/// A port that nobody listened at a moment ago.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

fn psql(port: u16, database: &str, role: &str) -> Command {
    let mut psql = Command::new(programs().join("psql"));
    psql.args(["-X", "-q", "-A", "-t", "-F", "\u{1f}"]);
    psql.args(["-h", "127.0.0.1", "-p", &port.to_string(), "-U", role, "-d", database]);
    psql.env("PGSSLMODE", "prefer");
    psql
}

fn query(port: u16, database: &str, role: &str, statement: &str) -> Result<Vec<Vec<String>>, String> {
    let mut psql = psql(port, database, role)
        .args(["-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=verbose", "-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("psql starts");
    // Through its input, since a statement may be longer than a command line may be.
    let mut input = psql.stdin.take().expect("a pipe");
    input.write_all(statement.as_bytes()).expect("psql reads");
    drop(input);
    let output = psql.wait_with_output().expect("psql ends");
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let text = String::from_utf8(output.stdout).expect("text");
    Ok(text.lines().map(|line| line.split('\u{1f}').map(str::to_owned).collect()).collect())
}
